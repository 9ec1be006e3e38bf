// Other sites: what they send is refused, and nobody is led to them.
import assert from 'node:assert/strict';
import http from 'node:http';
import { Visitor } from './visitor.mjs';

export default async function strangers(browser, { address, shop }) {
    const visitor = await Visitor.arrive(browser, address);
    await visitor.register('target@example.com', ['Target', '']);
    await withSite(0, trap(address), async (port) => {
        // To a browser, the first is another site; the second is the same site, of another origin.
        for (const host of ['localhost', '127.0.0.1']) await refuses(visitor, `http://${host}:${port}/`);
    });
    await visitor.open('');
    await visitor.sees('Target', 'You are signed in as target@example.com.');
    await visitor.misses('Mallory');
    await leadsNobodyAway(visitor, new URL(address).host);
    await withSite(new URL(shop).port, '<!doctype html><title>The shop</title>', () => leadsToTheShop(visitor, shop));
    await visitor.leave();
}

/** Serves a page on a port of this machine, and calls `use` with the port. */
async function withSite(port, page, use) {
    const site = http.createServer((request, response) => response.setHeader('Content-Type', 'text/html').end(page));
    await new Promise((listening) => site.listen(port, '127.0.0.1', listening));
    try {
        await use(site.address().port);
    } finally {
        site.closeAllConnections();
        site.close();
    }
}

/** A page with forms that change an account, to be sent with its cookie. */
const trap = (address) => `<!doctype html><title>A prize!</title>
<form method="post" action="${address}/account/profile"><input name="first_name" value="Mallory"><button>Profile</button></form>
<form method="post" action="${address}/account/sessions"><input name="action" value="end_all"><button>Sessions</button></form>
<form method="post" action="${address}/account/sign-out"><button>Out</button></form>
<form method="post" action="${address}/account/sign-in"><input name="email" value="m@example.com"><input name="password" value="x"><button>In</button></form>`;

async function refuses(visitor, page) {
    for (const button of ['Profile', 'Sessions', 'Out', 'In']) {
        await visitor.page.goto(page);
        const [response] = await Promise.all([
            visitor.page.waitForResponse((response) => response.request().method() === 'POST'),
            visitor.press(button),
        ]);
        assert.equal(response.status(), 403, `${button} of ${page}`);
        await visitor.isOn('We stopped this for your safety');
    }
}

const HOSTILE = [
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example',
    'https:evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    'http://shop.localhost.evil.example/',
    'http://shop.localhost@evil.example/',
    '/account/../../evil',
    '\thttps://evil.example',
];

async function leadsNobodyAway(visitor, host) {
    for (const address of HOSTILE) {
        await visitor.context.clearCookies();
        await visitor.open(`sign-in?return_to=${encodeURIComponent(address)}`);
        assert.equal(await visitor.page.getByRole('link', { name: 'Back to the shop' }).count(), 0, address);
        await visitor.signIn('target@example.com');
        await visitor.isOn('Your account');
        assert.equal(new URL(visitor.page.url()).host, host, address);
    }
}

/** An address that the operator lists is offered, and reached after signing in. */
async function leadsToTheShop(visitor, shop) {
    await visitor.context.clearCookies();
    await visitor.open(`sign-in?return_to=${encodeURIComponent(`${shop}cart`)}`);
    await visitor.signIn('target@example.com', 'not this one');
    await visitor.page.getByRole('link', { name: 'Back to the shop' }).waitFor();
    await visitor.signIn('target@example.com');
    await visitor.page.waitForURL(`${shop}cart`);
    assert.equal(await visitor.page.title(), 'The shop');
}
