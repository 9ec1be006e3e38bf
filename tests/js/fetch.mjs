// Opens a page, fetches from it, and prints what the page could read of each reply, as JSON.
//
// The argument: {"page": "http://…", "requests": [{"url": "http://…", "method": …, "headers": …, "body": …}]}
import { withPage } from './browser.mjs';

const { page: address, requests } = JSON.parse(process.argv[2]);

async function fetchAll(requests) {
    const replies = [];
    for (const { url, ...init } of requests) {
        try {
            const reply = await fetch(url, init);
            const headers = Object.fromEntries(reply.headers);
            replies.push({ status: reply.status, headers, body: await reply.text() });
        } catch (error) {
            replies.push({ error: error.name });
        }
    }
    return replies;
}

const replies = await withPage(async (page) => {
    await page.goto(address);
    return page.evaluate(fetchAll, requests);
});
console.log(JSON.stringify(replies));
