// Chromium for the tests: Debian's, without a window, with an empty profile.
import { chromium } from 'playwright-core';

// No time-outs: on a busy machine anything may take its time, and whoever runs the script has a limit.
const options = {
    timeout: 0,
    executablePath: '/usr/bin/chromium',
    args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
    ],
};

/** Calls `use` with a new browser, and ends it. */
export async function withBrowser(use) {
    const browser = await chromium.launch(options);
    try {
        return await use(browser);
    } finally {
        await browser.close();
    }
}

/** Calls `use` with a new page; the browser ends with it. */
export async function withPage(use) {
    return withBrowser(async (browser) => {
        const page = await browser.newPage();
        page.setDefaultTimeout(0);
        return await use(page);
    });
}
