// Two tabs at once, the back button, reloading, and a session that ends while somebody types.
import assert from 'node:assert/strict';
import { PASSWORD, Visitor } from './visitor.mjs';

export default async function tabs(browser, { address }) {
    const visitor = await Visitor.arrive(browser, address);
    await visitor.register('tabs@example.com', ['Ada', 'Lovelace']);
    await bothTabsAreKept(visitor);
    await reloadingSendsNothingAgain(visitor);
    await goingBackLosesNothing(visitor);
    await submittingTwiceHasOneEffect(visitor);
    await typingOutlivesTheSession(visitor);
    await visitor.leave();
}

/** A second tab of the same visitor. */
async function another(visitor) {
    const tab = new Visitor(visitor.context);
    tab.page = await visitor.context.newPage();
    return tab;
}

/** The second tab learns that the first one has saved, sees both values, and decides. */
async function bothTabsAreKept(first) {
    const second = await another(first);
    await first.open('profile');
    await second.open('profile');
    await first.fill({ 'First name': 'Augusta', 'Date of birth': '1990-12-10' });
    await first.press('Save changes');
    await second.fill({ 'First name': 'Ada Augusta', 'Last name': 'King' });
    await second.press('Save changes');
    await second.sees('Your details were changed meanwhile', 'Stored now: Augusta', 'Stored now: Lovelace');
    await second.has({ 'First name': 'Ada Augusta', 'Last name': 'King' });
    await second.press('Save changes');
    await second.sees('Your details are saved.', 'Ada Augusta King');
    await second.page.close();
}

async function reloadingSendsNothingAgain(visitor) {
    await visitor.open('profile');
    await visitor.fill({ 'First name': 'Reloaded' });
    const sent = [];
    visitor.page.on('request', (request) => sent.push(request.method()));
    await visitor.press('Save changes');
    assert.ok(sent.includes('POST'));
    sent.length = 0;
    await visitor.page.reload();
    assert.ok(!sent.includes('POST'), 'the page after a form is not the form');
    await visitor.sees('Reloaded');
}

/** Back to a form that was saved, and saving it again: the newer value is not lost in silence. */
async function goingBackLosesNothing(visitor) {
    await visitor.open('profile');
    await visitor.fill({ 'Last name': 'Byron' });
    await visitor.press('Save changes');
    await visitor.page.goBack();
    await visitor.isOn('Personal details');
    await visitor.fill({ 'Last name': 'Noel' });
    await visitor.press('Save changes');
    if ((await visitor.text()).includes('changed meanwhile')) {
        await visitor.sees('Stored now: Byron');
        await visitor.has({ 'Last name': 'Noel' });
        await visitor.press('Save changes');
    }
    await visitor.sees('Your details are saved.', 'Noel');
}

async function submittingTwiceHasOneEffect(visitor) {
    const other = await Visitor.arrive(visitor.context.browser(), new URL(visitor.page.url()).origin);
    await other.open('register');
    await other.fill({ 'First name': 'Twice', 'Email address': 'twice@example.com', Password: PASSWORD });
    await other.goes(() => other.page.getByRole('button', { name: 'Create account' }).dblclick());
    await other.page.waitForLoadState();
    await other.open('sign-in');
    if (other.where().startsWith('/account/sign-in')) await other.signIn('twice@example.com');
    await other.isOn('Your account');
    await other.sees('Twice');
    await other.leave();
}

/** The session ends elsewhere; whoever typed signs in again and goes on where they were. */
async function typingOutlivesTheSession(visitor) {
    await visitor.open('profile');
    await visitor.fill({ 'Last name': 'Typed', 'Street and number': '7 Long Acre' });
    const second = await another(visitor);
    await second.open('sessions');
    const cookies = await visitor.context.cookies();
    await second.open('sign-out');
    await second.press('Sign out');
    // The other tab has the cookie still, as one on another device would.
    await visitor.context.addCookies(cookies);
    await visitor.press('Save changes');
    await visitor.isOn('Sign in');
    await visitor.sees('what you typed is kept');
    await visitor.signIn('tabs@example.com');
    await visitor.isOn('Personal details');
    await visitor.has({ 'Last name': 'Typed', 'Street and number': '7 Long Acre' });
}
