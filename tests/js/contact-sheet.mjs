// Shoots the account pages of a service for docs/: a contact sheet of all of them, and one picture for README.md.
//
// node tests/js/contact-sheet.mjs http://127.0.0.1:8080 data/mail docs
//
// The service must be a fresh one that writes its mails as files. The account is made and erased.
import fs from 'node:fs/promises';
import path from 'node:path';
import { withBrowser } from './browser.mjs';
import { Mailbox } from './pages/mailbox.mjs';
import { PASSWORD, Visitor } from './pages/visitor.mjs';

const [address, mail, target] = process.argv.slice(2);
const PHONE = { width: 360, height: 720 };
const EMAIL = 'ada@example.com';
const ADDRESS = { 'Street and number': '12 St James’s Square', 'Postal code': 'SW1Y 4JH', 'Town or city': 'London', Country: 'United Kingdom' };

/** Opens a profile of its own whose pictures are small enough for a page of documentation. */
const arrive = (browser, options) => Visitor.arrive(browser, address, { viewport: PHONE, ...options });

/** Shoots what is seen, without what lies below the window, and without the pointer on anything. */
async function shoot({ page }) {
    await page.mouse.move(0, 0);
    return page.screenshot({ animations: 'disabled' });
}

async function shootAll(browser, options) {
    const ada = await arrive(browser, options);
    const shots = [];
    const shot = async (name, prepare) => {
        await ada.open(name);
        await prepare?.();
        await ada.page.evaluate(() => window.scrollTo(0, 0));
        shots.push(await shoot(ada));
    };
    await shot('sign-in');
    await shot('register', () => ada.press('Create account'));
    await ada.register(EMAIL);
    await ada.follow(await new Mailbox(mail).link(EMAIL, 'verify'));
    shots.push(await shoot(ada));
    await ada.press('Confirm');
    await ada.open('profile');
    await ada.fill({ 'Date of birth': '1990-12-10', ...ADDRESS });
    await ada.press('Save changes');
    shots.push(await shoot(ada));
    await anotherDevice(browser);
    await shot('profile');
    await shot('profile', () => conflict(browser, ada));
    await shot('email');
    await shot('password', () => ada.press('Change password'));
    await shot('sessions');
    await shot('history');
    await shot('export');
    await shot('erase');
    await ada.fill({ 'Current password': PASSWORD });
    await ada.press('Delete my account for good');
    await shot('forgot');
    await ada.fill({ 'Email address': EMAIL });
    await ada.press('Send me a link');
    shots.push(await shoot(ada));
    await shot('reset?token=1.x');
    await shot('no-such-page');
    await ada.leave();
    return shots;
}

/** Signs in from a phone. */
async function anotherDevice(browser) {
    const userAgent = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';
    const phone = await arrive(browser, { userAgent });
    await phone.open('sign-in');
    await phone.signIn(EMAIL);
    await phone.leave();
}

/** Somebody else saves while the form is open. */
async function conflict(browser, ada) {
    const tab = new Visitor(ada.context);
    tab.page = await ada.context.newPage();
    await tab.open('profile');
    await tab.fill({ 'First name': 'Augusta Ada' });
    await tab.press('Save changes');
    await tab.page.close();
    await ada.fill({ 'Last name': 'King' });
    await ada.press('Save changes');
}

/** Lays pictures in rows on one, and writes it as a JPEG. */
async function lay(browser, shots, { columns, width, file, quality }) {
    const page = await browser.newPage({ viewport: { width: columns * (width + 16) + 16, height: 100 } });
    const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString('base64')}">`);
    await page.setContent(`<style>body { margin: 0; padding: 8px; background: #8a8d96; font-size: 0 }
img { width: ${width}px; margin: 8px; border-radius: 8px }</style>${images.join('')}`);
    await page.locator('img').last().waitFor();
    await fs.writeFile(path.join(target, file), await page.screenshot({ fullPage: true, type: 'jpeg', quality }));
    await page.close();
}

await withBrowser(async (browser) => {
    const light = await shootAll(browser, { colorScheme: 'light' });
    const dark = await shootAll(browser, { colorScheme: 'dark' });
    const mixed = light.map((shot, index) => (index % 2 ? dark[index] : shot));
    await lay(browser, mixed, { columns: 6, width: 240, file: 'account-pages.jpg', quality: 70 });
    await lay(browser, [light[0], light[3], dark[4]], { columns: 3, width: 270, file: 'account.jpg', quality: 80 });
});
