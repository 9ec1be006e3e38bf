// A typed client: what a shop does with a customer, from registration to erasure. `api.ts` is generated from
// docs/openapi.json, and `shop.ts` is the example of docs/api.md.
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';
import { moveTo } from './shop.js';

type Customer = components['schemas']['Customer'];
type Code = NonNullable<Customer['address']>['postal_code'];
/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const typesAreNice: Same<Code, number | string | null> & Same<Customer['date_of_birth'], string | null> = true;

declare const process: { argv: string[] };
const [baseUrl = '', email = ''] = process.argv.slice(2);
const password = 'difference engine no 2';

function check(what: string, is: boolean) {
    if (!is) throw new Error(what);
}

const client = createClient<paths>({ baseUrl });
let access = '';
client.use({ onRequest: ({ request }) => request.headers.set('Authorization', `Bearer ${access}`) });
const me = { path: { id: 'me' } };

const registered = await client.POST('/api/v1/customers/', {
    body: { email, first_name: 'Ada', last_name: 'Lovelace', password },
});
check('registered', registered.response.status === 201 && registered.data?.slug.startsWith('ada-lovelace') === true);

const wrong = await client.POST('/auth/token/', { body: { email, password: `not ${password}` } });
check('a wrong password', wrong.error?.code === 'bad_credentials');
const signedIn = await client.POST('/auth/token/', { body: { email, password } });
if (!signedIn.data) throw new Error(signedIn.error.code);
access = signedIn.data.access;

const address = { street_address: '1 High Street', city: 'London', country: 'GB', postal_code: '02134' };
const replaced = await client.PUT('/api/v1/customers/{id}/', {
    params: me,
    body: { address, date_of_birth: null },
});
check('replaced', replaced.data?.address?.country === 'United Kingdom');

// A reply can be edited and sent back.
if (!replaced.data) throw new Error(replaced.error.code);
const again = await client.PUT('/api/v1/customers/{id}/', { params: me, body: { ...replaced.data, last_name: 'King' } });
check('sent back', again.data?.last_name === 'King');

const moved: Customer = await moveTo('Paris', baseUrl, email, password);
check('moved', moved.address?.city === 'Paris' && moved.address.postal_code === '02134');

const header = { 'If-Match': '"1"' };
const stale = await client.PATCH('/api/v1/customers/{id}/', { params: { ...me, header }, body: { first_name: 'Late' } });
check('a stale version', stale.error?.code === 'version_mismatch');
const invalid = await client.PATCH('/api/v1/customers/{id}/', { params: me, body: { first_name: '' } });
check('an empty name', invalid.error?.errors?.[0]?.code === 'too_short' && invalid.error.errors[0].params?.min === 1);

const refreshed = await client.POST('/auth/token/refresh/', { body: { refresh: signedIn.data.refresh } });
if (!refreshed.data) throw new Error(refreshed.error.code);
access = refreshed.data.access;
const sessions = await client.GET('/api/v1/customers/{id}/sessions/', { params: me });
check('two sessions', sessions.data?.filter((session) => session.current).length === 1 && sessions.data.length === 2);

const erased = await client.DELETE('/api/v1/customers/{id}/', { params: me });
check('erased', erased.response.status === 204);
const gone = await client.GET('/api/v1/customers/{id}/', { params: me });
check('gone', gone.error?.code === 'not_found' || gone.error?.code === 'session_ended');
console.log(typesAreNice && 'done');
