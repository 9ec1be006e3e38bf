// The mails that the service wrote as files.
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** How long a mail may take on a busy machine, in milliseconds. */
const PATIENCE = 60_000;

/** Undoes quoted-printable (RFC 2045 §6.7), as far as a link can be in it. */
const decode = (text) => text.replace(/=\r?\n/g, '').replace(/=3D/gi, '=');

export class Mailbox {
    constructor(folder) {
        this.folder = folder;
        this.opened = new Set();
    }

    /** Waits for a new mail to the address with a link to the page, and returns the link. */
    async link(address, page) {
        const until = Date.now() + PATIENCE;
        while (Date.now() < until) {
            for (const name of await this.unopened()) {
                const mail = decode(await fs.readFile(path.join(this.folder, name), 'utf8'));
                const link = mail.match(new RegExp(`https?://[^\\s"<>]*/account/${page}\\?token=[\\w.-]+`));
                if (!mail.match(/^To: .*$/im)?.[0].includes(address) || !link) continue;
                this.opened.add(name);
                return link[0];
            }
            await setTimeout(50);
        }
        assert.fail(`no mail to ${address} with a link to ${page}`);
    }

    async unopened() {
        // The service makes the folder for the first mail.
        await fs.mkdir(this.folder, { recursive: true });
        const names = await fs.readdir(this.folder);
        return names.filter((name) => name.endsWith('.eml') && !this.opened.has(name)).sort();
    }
}
