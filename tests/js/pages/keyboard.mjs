// An account by keyboard alone: registering, changing the profile, signing out.
import assert from 'node:assert/strict';
import { PASSWORD, Visitor } from './visitor.mjs';

export default async function keyboard(browser, { address }) {
    const visitor = await Visitor.arrive(browser, address);
    await visitor.open('register');
    // The first thing is the way past the header.
    await visitor.page.keyboard.press('Tab');
    assert.equal(await focused(visitor), 'Skip to the content');
    await visitor.page.keyboard.press('Enter');
    await type(visitor, 'First name', 'Grace');
    await type(visitor, 'Last name (optional)', 'Hopper');
    await type(visitor, 'Email address', 'grace');
    await type(visitor, 'Password', PASSWORD);
    await showsThePassword(visitor);
    await enter(visitor, 'Create account');
    await correctsTheEmail(visitor);
    await changesTheProfile(visitor);
    await enter(visitor, 'Sign out');
    await enter(visitor, 'Sign out', 'BUTTON');
    await visitor.sees('You are signed out.');
    await visitor.leave();
}

async function showsThePassword(visitor) {
    await reach(visitor, 'Show password');
    await visitor.page.keyboard.press('Space');
    assert.equal(await focused(visitor), 'Hide password');
    assert.equal(await visitor.page.locator('#password').getAttribute('type'), 'text');
}

/** The focus begins at what is wrong, and a link leads to the field. */
async function correctsTheEmail(visitor) {
    await visitor.page.getByRole('alert').waitFor();
    await enter(visitor, 'This does not look like an email address. It should look like name@example.com.', 'A', false);
    assert.equal(await focused(visitor), 'Email address');
    await visitor.page.keyboard.press('End');
    await visitor.page.keyboard.type('@example.com');
    await type(visitor, 'Password', PASSWORD);
    // Enter in a field submits the form.
    await visitor.goes(() => visitor.page.keyboard.press('Enter'));
    await visitor.sees('Welcome!', 'Grace Hopper');
}

async function changesTheProfile(visitor) {
    await enter(visitor, /^Personal details/);
    await type(visitor, 'Street and number', '1 Harbour Road');
    await type(visitor, 'Town or city', 'Arlington');
    await reach(visitor, 'Country');
    await visitor.page.keyboard.type('United States');
    await enter(visitor, 'Save changes');
    await visitor.sees('Your details are saved.', '1 Harbour Road', 'United States');
}

/** What the focused element is called: its label, its own name or its text. */
function focused({ page }) {
    return page.evaluate(() => {
        const { activeElement: element } = document;
        const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
        return label.replace(/\s+/g, ' ').trim();
    });
}

/** Presses the tabulator until an element of this name has the focus; each one on the way shows that it has. */
async function reach(visitor, name, tag) {
    const { page } = visitor;
    const seen = [];
    while (seen.length < 60) {
        await page.keyboard.press('Tab');
        const now = await focused(visitor);
        seen.push(now);
        const [shows, is] = await page.evaluate(() => {
            const style = getComputedStyle(document.activeElement);
            const visible = style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2;
            return [visible || document.activeElement === document.body, document.activeElement.tagName];
        });
        assert.ok(shows, `the focus on "${now}" is not visible`);
        if ((name instanceof RegExp ? name.test(now) : now === name) && (!tag || is === tag)) return;
    }
    assert.fail(`"${name}" is not reached: ${seen.join(', ')}`);
}

async function type(visitor, label, text) {
    await reach(visitor, label);
    await visitor.page.keyboard.type(text);
}

async function enter(visitor, name, tag, leads = true) {
    await reach(visitor, name, tag);
    if (leads) await visitor.goes(() => visitor.page.keyboard.press('Enter'));
    else await visitor.page.keyboard.press('Enter');
}
