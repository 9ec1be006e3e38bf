// Walks through the account pages as customers do, and fails where one would notice that something is wrong.
//
// The arguments: the name of a file in pages/, and {"address": "http://…", "mail": "a folder", "javascript": true, …}
import { withBrowser } from './browser.mjs';

const [name, order] = process.argv.slice(2);
const { default: walk } = await import(`./pages/${name}.mjs`);
await withBrowser((browser) => walk(browser, JSON.parse(order)));
