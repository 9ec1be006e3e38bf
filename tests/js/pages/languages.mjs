// A German customer, and a name that is written from right to left.
import assert from 'node:assert/strict';
import { PASSWORD, Visitor } from './visitor.mjs';

export default async function languages(browser, { address }) {
    await inGerman(browser, address);
    await fromRightToLeft(browser, address);
}

async function inGerman(browser, address) {
    const visitor = await Visitor.arrive(browser, address, { locale: 'de-AT' });
    await visitor.open('register');
    assert.equal(await visitor.page.locator('html').getAttribute('lang'), 'de');
    await visitor.press('Konto anlegen');
    await visitor.sees('Bitte prüfen Sie 3 Angaben', 'Bitte geben Sie Ihren Vornamen ein.', 'Bitte geben Sie Ihre E-Mail-Adresse ein.');
    await visitor.fill({ Vorname: 'Jürgen', Nachname: 'Groß', 'E-Mail-Adresse': 'juergen@müller.example', Passwort: PASSWORD });
    await visitor.press('Konto anlegen');
    await visitor.sees('Willkommen! Ihr Konto ist bereit.', 'Jürgen Groß', 'Sie sind als juergen@müller.example angemeldet.');
    await visitor.open('profile');
    await visitor.fill({ Geburtsdatum: '1980-03-01', 'Straße und Hausnummer': 'Ring 1', Postleitzahl: '01099', Ort: 'Wien', Land: 'Österreich' });
    await visitor.press('Änderungen speichern');
    await visitor.sees('Ihre Angaben sind gespeichert.', 'Geboren am 1. März 1980', '01099', 'Österreich');
    await visitor.misses('Austria');
    await visitor.leave();
}

async function fromRightToLeft(browser, address) {
    const visitor = await Visitor.arrive(browser, address);
    await visitor.register('aisha@example.com', ['عائشة', 'بنت (محمد)']);
    await visitor.open('sign-out');
    await visitor.sees('You are signed in as عائشة بنت (محمد) on this device.');
    // The sentence around the name keeps its order: what follows the name is to its right.
    const [name, rest] = await visitor.page.evaluate(() => {
        const name = [...document.querySelectorAll('main bdi')].find((element) => element.textContent.includes('عائشة'));
        const after = document.createRange();
        after.selectNodeContents(name.nextSibling);
        return [name.getBoundingClientRect().right, after.getBoundingClientRect().left];
    });
    assert.ok(rest >= name - 1, `${rest} ${name}`);
    await visitor.open('profile');
    const direction = await visitor.field('First name').evaluate((element) => getComputedStyle(element).direction);
    assert.equal(direction, 'rtl');
    await visitor.leave();
}
