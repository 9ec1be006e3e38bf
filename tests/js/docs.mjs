// Opens Swagger UI, tries two operations as a reader would, and prints what came of it, as JSON.
//
// The argument: {"page": "http://…/docs/", "token": "…", "screenshot": "a file, or absent"}
import { withPage } from './browser.mjs';

const { page: address, token, screenshot } = JSON.parse(process.argv[2]);

/** Presses "Try it out" and "Execute" of an operation; the status that it then shows, and the body. */
async function tryOut(page, id, fill) {
    const block = page.locator(`.opblock[id$="-${id}"]`);
    await block.locator('.opblock-summary-control').click();
    await block.getByRole('button', { name: 'Try it out' }).click();
    await fill?.(block);
    await block.getByRole('button', { name: 'Execute' }).click();
    const reply = block.locator('.live-responses-table .response');
    const status = await reply.locator('.response-col_status').innerText();
    return { status: status.trim(), body: await reply.locator('.highlight-code').first().innerText() };
}

async function authorize(page) {
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    const dialog = page.locator('.dialog-ux');
    await dialog.locator('input').fill(token);
    await dialog.getByRole('button', { name: 'Apply credentials' }).click();
    await dialog.getByRole('button', { name: 'Close' }).first().click();
}

const outcome = await withPage(async (page) => {
    const seen = { errors: [], hosts: new Set() };
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) seen.errors.push(message.text());
    });
    page.on('pageerror', (error) => seen.errors.push(String(error)));
    page.on('request', (request) => {
        const url = new URL(request.url());
        // The style sheet's icons are in the style sheet.
        if (url.protocol !== 'data:') seen.hosts.add(url.host);
    });
    await page.addInitScript(() => {
        window.violations = [];
        document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
            window.violations.push(`${violatedDirective}: ${blockedURI} ${sample}`);
        });
    });
    await page.goto(address);
    await page.locator('.opblock').first().waitFor();
    const operations = await page.locator('.opblock-summary-path').allInnerTexts();
    const live = await tryOut(page, 'live');
    await authorize(page);
    const customer = await tryOut(page, 'getCustomer');
    const change = await tryOut(page, 'replaceCustomer', (block) =>
        block.locator('textarea.body-param__text').fill('{"first_name": "Joan"}'),
    );
    if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
    const violations = await page.evaluate(() => window.violations);
    return { operations, live, customer, change, violations, errors: seen.errors, hosts: [...seen.hosts] };
});
console.log(JSON.stringify(outcome));
