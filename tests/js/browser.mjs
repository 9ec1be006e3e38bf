// Chromium for the tests: Debian's, without a window, with an empty profile.
import { chromium } from 'playwright-core';

const options = {
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

/** Calls `use` with a new page; the browser ends with it. */
export async function withPage(use) {
    const browser = await chromium.launch(options);
    try {
        return await use(await browser.newPage());
    } finally {
        await browser.close();
    }
}
