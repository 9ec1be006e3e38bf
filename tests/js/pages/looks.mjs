// Every page in both colour schemes: axe finds nothing, nothing is cut off on a narrow screen, and a page stays small.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { PASSWORD, Visitor } from './visitor.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The pages of a visitor, and those of a customer who has signed in; `{token}` is none that works. */
const OUTSIDE = ['sign-in', 'register', 'forgot', 'reset?token=1.x', 'verify?token=1.x', 'revert?token=1.x', 'no-such-page'];
const INSIDE = ['', 'profile', 'email', 'password', 'sessions', 'history', 'export', 'erase', 'sign-out'];

/** Each of these submits a form with errors. */
const WRONG = {
    outside: { 'sign-in': 'Sign in', register: 'Create account', forgot: 'Send me a link' },
    inside: { profile: 'Save changes', email: 'Send me a link', password: 'Change password', erase: 'Delete my account for good' },
};

export default async function looks(browser, { address }) {
    for (const colorScheme of ['light', 'dark']) {
        const visitor = await Visitor.arrive(browser, address, { colorScheme, viewport: { width: 320, height: 640 } });
        const sizes = weigh(visitor);
        const email = `${colorScheme}@example.com`;
        await all(visitor, OUTSIDE, WRONG.outside);
        await submits(visitor, 'forgot', { 'Email address': email }, 'Send me a link', 'Check your inbox');
        await visitor.register(email, ['Maximiliane-Wilhelmine-Friederike', 'Übersichtlichkeitsbeauftragtenstellvertretung']);
        await all(visitor, INSIDE, WRONG.inside);
        const change = { 'New email address': `new.${email}`, 'Current password': PASSWORD };
        await submits(visitor, 'email', change, 'Send me a link', 'Email address');
        await submits(visitor, 'erase', { 'Current password': PASSWORD }, 'Delete my account for good', 'Your account is deleted');
        await sizes();
        await visitor.leave();
    }
}

async function all(visitor, pages, wrong) {
    for (const path of pages) {
        await visitor.open(path);
        await look(visitor);
    }
    for (const [path, button] of Object.entries(wrong)) {
        await visitor.open(path);
        // What the form asks for is missing, or the name is.
        if (path === 'profile') await visitor.fill({ 'First name': '' });
        await visitor.press(button);
        await visitor.page.getByRole('alert').waitFor();
        await look(visitor);
    }
}

/** Looks at the page that follows a form without errors. */
async function submits(visitor, path, values, button, title) {
    await visitor.open(path);
    await visitor.fill(values);
    await visitor.press(button);
    await visitor.isOn(title);
    await look(visitor);
}

async function look({ page }) {
    // The console's way in: the policy of the page is not for the test's own script.
    await page.evaluate(axe);
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations, passes } = await page.evaluate((values) => globalThis.axe.run({ runOnly: { type: 'tag', values } }), tags);
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`);
    assert.deepEqual(told, [], page.url());
    assert.ok(passes.length > 10, `axe saw ${passes.length} things that are right`);
    // 320 CSS pixels are also a window of 1280 at 400 %. At 200 %, it has 640.
    for (const width of [320, 640]) {
        await page.setViewportSize({ width, height: 640 });
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(content <= window, `${page.url()} is ${content} pixels wide in ${window}`);
    }
    await page.setViewportSize({ width: 320, height: 640 });
    await hasTargets(page);
}

/** Buttons, fields and links that stand alone are large enough for a thumb (WCAG 2.2, 2.5.8 asks for 24 pixels). */
async function hasTargets(page) {
    const small = await page.evaluate(() =>
        [...document.querySelectorAll('button, select, input:not([type=hidden]):not([type=checkbox]), .button, header a')]
            .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
            .map((element) => element.outerHTML),
    );
    assert.deepEqual(small, [], page.url());
}

/** Notes what every page loads; what it returns says whether it was little. */
function weigh({ context, page }) {
    const documents = [];
    const others = new Set();
    page.on('response', (response) => {
        if (response.request().isNavigationRequest()) documents.push(response);
        else others.add(new URL(response.url()).pathname.replace(/.*\//, '').replace(/\.[0-9a-z]+\./, '.'));
    });
    return async () => {
        for (const response of documents) {
            const body = await response.body().catch(() => Buffer.alloc(0));
            assert.ok(body.length < 30_000, `${response.url()}: ${body.length} bytes`);
        }
        assert.ok([...others].every((name) => ['style.css', 'comfort.js', 'icon.svg'].includes(name)), [...others].join(' '));
        assert.equal(context.pages().length, 1);
    };
}
