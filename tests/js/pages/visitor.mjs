// A customer with a browser: one profile with its own cookies, in which everything that is not as it should be is noticed.
import assert from 'node:assert/strict';

export const PASSWORD = 'violet kettle drum 81';

/** How long a page may take on a busy machine, in milliseconds. */
const PATIENCE = 60_000;

export class Visitor {
    /** Opens a new profile. `options` are those of Playwright's `newContext`. */
    static async arrive(browser, address, options = {}) {
        const context = await browser.newContext({ baseURL: address, locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
        context.setDefaultTimeout(PATIENCE);
        const visitor = new Visitor(context);
        // What the policy of the pages forbids is in the console, and errors of scripts are, too.
        context.on('console', (message) => {
            if (/Content.Security.Policy|Refused to/i.test(message.text())) visitor.complaints.push(message.text());
        });
        context.on('weberror', (error) => visitor.complaints.push(String(error.error())));
        visitor.page = await context.newPage();
        return visitor;
    }

    constructor(context) {
        this.context = context;
        this.complaints = [];
    }

    /** Leaves, and fails if there was anything to complain about. */
    async leave() {
        await this.context.close();
        assert.deepEqual(this.complaints, []);
    }

    /** Opens a page below /account/. Returns the status. */
    async open(path) {
        const response = await this.page.goto(`/account/${path}`);
        return response.status();
    }

    /** Opens a link from a mail, which may name another host. */
    async follow(link) {
        const { pathname, search } = new URL(link);
        await this.page.goto(`${pathname}${search}`);
    }

    /** The path and the query where the visitor is. */
    where() {
        const { pathname, search } = new URL(this.page.url());
        return pathname + search;
    }

    /** What stands on the page. */
    text() {
        return this.page.locator('main').innerText();
    }

    /** Fails unless each text stands on the page. */
    async sees(...texts) {
        const shown = (await this.text()).replace(/\s+/g, ' ');
        for (const text of texts) assert.ok(shown.includes(text), `"${text}" is not on ${this.page.url()}:\n${shown}`);
    }

    /** Fails if the text stands on the page. */
    async misses(text) {
        const shown = await this.text();
        assert.ok(!shown.includes(text), `"${text}" is on ${this.page.url()}:\n${shown}`);
    }

    /** Fails unless the title of the page, which its heading says too, is this one. */
    async isOn(title) {
        await this.page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
        assert.ok((await this.page.title()).includes(title), await this.page.title());
    }

    /** The field with this label. */
    field(label) {
        // "(optional)" may follow.
        return this.page.getByLabel(new RegExp(`^${label}( \\(.*\\))?$`));
    }

    /** Fills fields by their labels. */
    async fill(values) {
        for (const [label, value] of Object.entries(values)) {
            const field = this.field(label);
            if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption({ label: value });
            else await field.fill(value);
        }
    }

    /** Fails unless the fields have these values. */
    async has(values) {
        for (const [label, value] of Object.entries(values)) assert.equal(await this.field(label).inputValue(), value, label);
    }

    /** Presses a button, and waits for the page that follows. */
    async press(name) {
        await this.goes(() => this.page.getByRole('button', { name, exact: true }).click());
    }

    /** Follows a link of the page. */
    async click(name) {
        await this.goes(() => this.page.getByRole('link', { name }).first().click());
    }

    /** Does something that leads to another page, and waits for it. */
    async goes(action) {
        await Promise.all([this.page.waitForNavigation(), action()]);
    }

    /** Fails unless the field has this error: beside it, as its description, and in the summary, which leads to it. */
    async hasError(label, error) {
        const field = this.field(label);
        assert.equal(await field.getAttribute('aria-invalid'), 'true', label);
        const described = await field.getAttribute('aria-describedby');
        const texts = await Promise.all(described.trim().split(/\s+/).map((id) => this.page.locator(`[id="${id}"]`).innerText()));
        assert.ok(texts.some((text) => text.includes(error)), `${label}: ${texts}`);
        const link = this.page.getByRole('alert').getByRole('link', { name: error });
        await link.click();
        const focused = await this.page.evaluate(() => `#${document.activeElement.id}`);
        assert.equal(await link.getAttribute('href'), focused, 'the summary leads to the field');
        assert.ok((await this.page.title()).startsWith('Error: '));
    }

    /** Creates an account by the form. */
    async register(email, names = ['Ada', 'Lovelace']) {
        await this.open('register');
        await this.fill({ 'First name': names[0], 'Last name': names[1], 'Email address': email, Password: PASSWORD });
        await this.press('Create account');
        await this.sees('Welcome! Your account is ready.');
    }

    /** Signs in by the form that is open. */
    async signIn(email, password = PASSWORD) {
        await this.fill({ 'Email address': email, Password: password });
        await this.press('Sign in');
    }
}
