// The life of an account, from its registration to its erasure, with mail, on one phone.
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { Mailbox } from './mailbox.mjs';
import { PASSWORD, Visitor } from './visitor.mjs';

const PHONE = { viewport: { width: 360, height: 640 } };
const LATER = 'seven purple umbrellas 4';

export default async function everything(browser, { address, mail, javascript }) {
    const arrive = () => Visitor.arrive(browser, address, { ...PHONE, javaScriptEnabled: javascript });
    const mailbox = new Mailbox(mail);
    const ada = await arrive();
    await registers(ada);
    await verifies(ada, mailbox);
    await changesTheProfile(ada);
    await changesTheEmail(ada, mailbox);
    await changesThePassword(ada);
    await endsAnotherSession(ada, await arrive());
    await readsTheHistoryAndExports(ada);
    await forgetsThePassword(ada, mailbox);
    await erases(ada);
    await ada.leave();
}

async function registers(ada) {
    assert.equal(await ada.open(''), 200);
    await ada.isOn('Sign in');
    await ada.click('Create an account');
    await ada.fill({ 'First name': 'Ada', 'Email address': 'ada', Password: 'short' });
    await ada.press('Create account');
    await ada.sees('Please check 2 things');
    await ada.hasError('Email address', 'This does not look like an email address.');
    await ada.hasError('Password', 'Please use at least 8 characters.');
    await ada.has({ 'First name': 'Ada', 'Email address': 'ada', Password: '' });
    await ada.fill({ 'Last name': 'Lovelace', 'Email address': 'ada@example.com', Password: PASSWORD });
    await ada.press('Create account');
    await ada.isOn('Your account');
    await ada.sees('Welcome! Your account is ready.', 'Ada Lovelace', 'You are signed in on this device only');
}

async function verifies(ada, mailbox) {
    await ada.sees('Please confirm your email address', 'We sent a link to ada@example.com');
    const link = await mailbox.link('ada@example.com', 'verify');
    await ada.follow(link);
    await ada.isOn('Confirm your email address');
    await ada.press('Confirm');
    await ada.sees('Thank you! Your email address is confirmed.');
    await ada.open('email');
    await ada.sees('ada@example.com Confirmed');
    // A link works once.
    await ada.follow(link);
    await ada.press('Confirm');
    await ada.isOn('This link does not work any more');
}

async function changesTheProfile(ada) {
    await ada.open('');
    await ada.click('Address');
    await ada.isOn('Personal details');
    await ada.fill({ 'First name': 'Augusta Ada', 'Date of birth': '1990-12-10', 'Street and number': '12 St James’s Square' });
    await ada.press('Save changes');
    await ada.hasError('Town or city', 'Please enter the town or city.');
    await ada.hasError('Country', 'Please choose a country.');
    await ada.has({ 'First name': 'Augusta Ada', 'Date of birth': '1990-12-10', 'Street and number': '12 St James’s Square' });
    await ada.fill({ 'Postal code': 'SW1Y 4JH', 'Town or city': 'London', Country: 'United Kingdom' });
    await ada.press('Save changes');
    await ada.sees('Your details are saved.', 'Augusta Ada Lovelace', '10 December 1990', '12 St James’s Square', 'SW1Y 4JH', 'United Kingdom');
    await ada.click('Address');
    await ada.page.getByLabel('Remove my address').check();
    await ada.press('Save changes');
    await ada.sees('Your details are saved.', 'None yet');
}

async function changesTheEmail(ada, mailbox) {
    await ada.click('Email address');
    await ada.fill({ 'New email address': 'countess@example.com', 'Current password': 'not this one' });
    await ada.press('Send me a link');
    await ada.hasError('Current password', 'This is not your current password.');
    await ada.has({ 'New email address': 'countess@example.com', 'Current password': '' });
    await ada.fill({ 'Current password': PASSWORD });
    await ada.press('Send me a link');
    await ada.sees('We sent a link to the new address.', 'Waiting for your confirmation', 'countess@example.com');
    await ada.follow(await mailbox.link('countess@example.com', 'verify'));
    await ada.press('Confirm');
    await ada.open('');
    await ada.sees('You are signed in as countess@example.com.');
}

async function changesThePassword(ada) {
    await ada.click('Password');
    await ada.fill({ 'Current password': PASSWORD, 'New password': 'countess1' });
    await ada.press('Change password');
    await ada.hasError('New password', 'This password is too easy to guess.');
    await ada.fill({ 'Current password': PASSWORD, 'New password': LATER });
    await ada.press('Change password');
    await ada.sees('Your password is changed.');
}

async function endsAnotherSession(ada, tablet) {
    await tablet.open('sign-in');
    await tablet.signIn('countess@example.com', PASSWORD);
    await tablet.sees('That email address and password do not go together.');
    await tablet.has({ 'Email address': 'countess@example.com', Password: '' });
    await tablet.signIn('countess@example.com', LATER);
    await tablet.isOn('Your account');
    await ada.open('sessions');
    assert.equal(await ada.page.getByText('This device').count(), 1);
    await ada.page.getByRole('button', { name: /^Sign out .* on / }).waitFor();
    await ada.goes(() => ada.page.getByRole('button', { name: /^Sign out .* on / }).click());
    await ada.sees('The device is signed out.', 'You are not signed in anywhere else.');
    await tablet.open('profile');
    await tablet.isOn('Sign in');
    await tablet.leave();
}

async function readsTheHistoryAndExports(ada) {
    await ada.open('history');
    await ada.sees('Signed in', 'Password changed', 'Email address confirmed', 'Account created');
    await ada.open('export');
    const download = ada.page.waitForEvent('download');
    await ada.page.getByRole('button', { name: 'Download my data' }).click();
    const data = JSON.parse(await fs.readFile(await (await download).path(), 'utf8'));
    assert.equal(data.profile.email, 'countess@example.com');
}

async function forgetsThePassword(ada, mailbox) {
    await ada.open('sign-out');
    await ada.press('Sign out');
    await ada.sees('You are signed out.');
    await ada.click('Forgot your password?');
    await ada.fill({ 'Email address': 'Countess@Example.com' });
    await ada.press('Send me a link');
    await ada.isOn('Check your inbox');
    await ada.follow(await mailbox.link('countess@example.com', 'reset'));
    await ada.isOn('Set a new password');
    await ada.fill({ 'New password': PASSWORD });
    await ada.press('Save new password');
    await ada.sees('Your new password is saved.');
    await ada.signIn('countess@example.com');
    await ada.isOn('Your account');
}

async function erases(ada) {
    await ada.click('Delete account');
    await ada.sees('countess@example.com', 'It cannot be undone.');
    await ada.fill({ 'Current password': 'not this one' });
    await ada.press('Delete my account for good');
    await ada.hasError('Current password', 'This is not your current password.');
    await ada.fill({ 'Current password': PASSWORD });
    await ada.press('Delete my account for good');
    await ada.isOn('Your account is deleted');
    await ada.open('sign-in');
    await ada.signIn('countess@example.com');
    await ada.sees('That email address and password do not go together.');
}
