import { Component, useEffect, useExternalListener, useRef, useState } from "@odoo/owl";

import { Dropdown } from "@web/core/dropdown/dropdown";
import { DropdownItem } from "@web/core/dropdown/dropdown_item";
import { deserializeDateTime } from "@web/core/l10n/dates";
import { useService } from "@web/core/utils/hooks";
import { useDebounced } from "@web/core/utils/timing";

import { _t } from "@web/core/l10n/translation";

import { GmailComposer } from "./composer";
import { GmailConversation } from "./conversation";
import { useFocusWithin } from "./focus";
import { GmailInGmail } from "./in_gmail";

const { DateTime } = luxon;
const SEARCH_PAUSE = 300;
const NEAR_END = 200;

/** The mail client: in the drawer of the top bar, or as a page of its own. */
export class GmailMail extends Component {
    static template = "gmail_oauth_mailbox.Mail";
    static components = {
        Dropdown,
        DropdownItem,
        GmailComposer,
        GmailConversation,
        GmailInGmail,
    };
    static props = { isPage: { type: Boolean, optional: true } };

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        this.ui = useState(useService("ui"));
        this.root = useRef("root");
        this.searchRef = useRef("search");
        this.listRef = useRef("list");
        this.readerRef = useRef("reader");
        this.state = useState({ cursor: 0 });
        this.search = useDebounced((text) => this.gmail.setSearch(text), SEARCH_PAUSE);
        useFocusWithin(this.root);
        // Whoever reached the end while a page was loading scrolls no more.
        useEffect(
            () => {
                this.onScroll();
            },
            () => [this.gmail.threads.length, this.gmail.listLoading]
        );
        useExternalListener(window, "keydown", (ev) => this.onKeydown(ev));
    }

    get banner() {
        const mailbox = this.gmail.mailbox;
        if (!mailbox) {
            return null;
        }
        if (this.gmail.info.trouble) {
            return { text: this.gmail.info.trouble, button: false };
        }
        if (["reconnect", "draft"].includes(mailbox.state)) {
            return { method: "action_reconnect", button: "reconnect" };
        }
        if (mailbox.state === "paused") {
            return { method: "action_resume", button: "resume" };
        }
        if (!mailbox.can_read || !mailbox.can_send) {
            return { method: "action_reconnect", button: "allow" };
        }
        if (mailbox.ending) {
            return {
                method: "action_reconnect",
                button: "reconnect",
                text: mailbox.ending,
            };
        }
        return mailbox.error_message ? { button: false } : null;
    }

    /** Whether to say that Google's contacts wait; who has heard it hears it no more. */
    get contactsWait() {
        const mailbox = this.gmail.mailbox;
        return Boolean(
            mailbox?.contacts_wait && !this.gmail.contactsHeard.includes(mailbox.id)
        );
    }

    /** The parts of the mail that can be shown alone. */
    get parts() {
        const { drafts, only, info } = this.gmail;
        return [
            ["", _t("All"), 0],
            ["unread", _t("Unread"), 0],
            ["starred", _t("Starred"), 0],
            ["attachments", _t("Files"), 0],
            ["drafts", _t("Drafts"), info.drafts],
        ].map(([value, name, count]) => ({
            value,
            name,
            count,
            active: drafts ? value === "drafts" : value === only,
        }));
    }

    choosePart(value) {
        return value === "drafts"
            ? this.gmail.showDrafts()
            : this.gmail.chooseOnly(value);
    }

    async write() {
        await this.gmail.write();
        this.readerRef.el?.scrollTo(0, 0);
    }

    /** Whether nothing is asked for just now. */
    get idle() {
        return !this.gmail.listLoading && !this.gmail.listError;
    }

    /** Whether the list goes to its end; while it is read anew, what it was. */
    get isComplete() {
        return !this.gmail.before && (this.idle || this.gmail.threads.length > 0);
    }

    get progress() {
        const progress = this.gmail.mailbox?.progress;
        if (!progress?.running || this.gmail.mailbox.state !== "connected") {
            return null;
        }
        const share = progress.total ? (100 * progress.done) / progress.total : 0;
        return { ...progress, percent: Math.max(3, Math.min(99, Math.round(share))) };
    }

    date(value) {
        if (!value) {
            return "";
        }
        const date = deserializeDateTime(value);
        const now = DateTime.now();
        if (date.hasSame(now, "day")) {
            return date.toLocaleString(DateTime.TIME_SIMPLE);
        }
        if (date.hasSame(now, "year")) {
            return date.toLocaleString({ month: "short", day: "numeric" });
        }
        return date.toLocaleString(DateTime.DATE_SHORT);
    }

    onScroll() {
        const list = this.listRef.el;
        if (list && list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END) {
            this.gmail.loadMore();
        }
    }

    clearSearch() {
        this.searchRef.el.value = "";
        this.searchRef.el.focus();
        this.gmail.setSearch("");
    }

    async openThread(thread) {
        this.state.cursor = thread.id;
        await this.gmail.openThread(thread.id);
        this.readerRef.el?.focus();
    }

    closeThread() {
        this.gmail.closeThread();
        this.rowOf(this.state.cursor)?.focus();
    }

    /** The button of a conversation, or of a draft, in the list. */
    rowOf(id) {
        return this.root.el.querySelector(`.o_gmail_thread[data-id="${id}"]`);
    }

    move(step) {
        const rows = [...this.root.el.querySelectorAll(".o_gmail_thread")];
        const place = rows.indexOf(this.rowOf(this.state.cursor));
        const row = rows[Math.max(0, Math.min(rows.length - 1, place + step))];
        if (row) {
            this.state.cursor = row.dataset.id;
            row.scrollIntoView({ block: "nearest" });
            row.focus();
        }
    }

    /** The cursor goes where the focus goes, by the mouse or by Tab. */
    onFocusRow(ev) {
        const row = ev.target.closest(".o_gmail_thread");
        if (row) {
            this.state.cursor = row.dataset.id;
        }
    }

    /** Go one step back from where Escape was pressed. */
    leave(target) {
        if (target === this.searchRef.el && target.value) {
            this.clearSearch();
        } else if (this.gmail.threadId && this.isNarrow) {
            this.closeThread();
        } else if (this.gmail.pickedIds.length) {
            this.gmail.clearPicked();
        } else {
            this.gmail.close();
        }
    }

    onKeydown(ev) {
        const root = this.root.el;
        if (!root || ev.ctrlKey || ev.metaKey || ev.altKey) {
            return;
        }
        const target = ev.target;
        if (target !== document.body && !root.contains(target)) {
            return;
        }
        const writes = target.closest?.("input, textarea, [contenteditable='true']");
        if (ev.key === "Escape" && !target.closest?.("[contenteditable='true']")) {
            ev.preventDefault();
            ev.stopPropagation();
            this.leave(target);
            return;
        }
        if (writes) {
            return;
        }
        const keys = {
            ArrowDown: () => this.move(1),
            ArrowUp: () => this.move(-1),
            j: () => this.move(1),
            k: () => this.move(-1),
            "/": () => this.searchRef.el?.focus(),
            r: () => this.press(".o_gmail_reply"),
            a: () => this.press(".o_gmail_reply_all") || this.press(".o_gmail_reply"),
            f: () => this.press(".o_gmail_forward"),
            c: () => this.press(".o_gmail_new"),
            x: () => this.pickAtCursor(),
            "?": () => this.gmail.showKeys(),
        };
        if (ev.key in keys) {
            ev.preventDefault();
            keys[ev.key]();
        }
    }

    /** Press the last of such buttons; return whether there is one. */
    press(selector) {
        const button = [...this.root.el.querySelectorAll(selector)].at(-1);
        button?.click();
        return Boolean(button);
    }

    get isNarrow() {
        return this.ui.isSmall || window.innerWidth < 992;
    }

    // ------------------------------------------------------------------
    // Several at once
    // ------------------------------------------------------------------

    get pickedText() {
        return _t("%s selected", this.gmail.pickedIds.length);
    }

    pickLabel(thread) {
        return _t("Select “%s”", thread.subject || _t("No subject"));
    }

    /** Pick one row, or with Shift all from the one that was picked before. */
    pick(ev, index) {
        const { threads } = this.gmail;
        const isPicked = ev.target.checked;
        const before = threads.findIndex((thread) => thread.id === this.lastPicked);
        const other = ev.shiftKey && before >= 0 ? before : index;
        const [from, to] = [Math.min(other, index), Math.max(other, index)];
        for (const thread of threads.slice(from, to + 1)) {
            this.gmail.pick(thread.id, isPicked);
        }
        this.lastPicked = threads[index].id;
    }

    pickAtCursor() {
        const cursor = Number(this.state.cursor);
        const thread = this.gmail.threads.find(({ id }) => id === cursor);
        if (thread && !this.gmail.drafts) {
            this.gmail.pick(thread.id, !this.gmail.picked[thread.id]);
            this.lastPicked = thread.id;
        }
    }

    removePicked() {
        const ids = this.gmail.pickedIds;
        const count = ids.length;
        this.gmail.confirmRemoval(
            count === 1
                ? _t("Remove this conversation from Odoo?")
                : _t("Remove these %s conversations from Odoo?", count),
            () => this.gmail.removePicked(ids),
            () => this.root.el?.querySelector(".o_gmail_remove_picked")?.focus()
        );
    }
}
