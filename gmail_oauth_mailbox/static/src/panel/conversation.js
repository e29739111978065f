import { Component, onWillUpdateProps, useEffect, useRef, useState } from "@odoo/owl";

import { deserializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { usePopover } from "@web/core/popover/popover_hook";
import { useService } from "@web/core/utils/hooks";

import { GmailAttachment } from "./attachment";
import { GmailCard } from "./card";
import { GmailComposer } from "./composer";
import { GmailDocuments } from "./documents";
import { sentenceOf } from "./gmail_service";

const KEEPS_HEIGHT = 40;
const LONG_HEIGHT = "75vh";
// Pixels of a frame as tall as its content; a taller one scrolls within.
const MAX_HEIGHT = 20000;
// Milliseconds after opening in which the page may scroll by itself.
const SETTLES = 800;
const SHOWN_PEOPLE = 12;

/** A stranger's HTML: a frame that runs nothing and, by its policy, loads nothing. */
export class GmailBody extends Component {
    static template = "gmail_oauth_mailbox.Body";
    static props = { message: Object, onFit: Function, title: String };

    setup() {
        this.gmail = useService("gmail_oauth_mailbox");
        this.state = useState({ error: "", whole: "", images: "", busy: false });
        this.frame = useRef("frame");
        useEffect(
            (frame) => {
                const observer = new ResizeObserver(() => this.fit());
                const onLoad = () => {
                    this.fit();
                    if (frame.contentDocument?.body) {
                        observer.observe(frame.contentDocument.body);
                        this.showPictures(frame.contentDocument);
                    }
                };
                frame.addEventListener("load", onLoad);
                onLoad();
                return () => {
                    observer.disconnect();
                    frame.removeEventListener("load", onLoad);
                };
            },
            () => [this.frame.el]
        );
    }

    /** Make the frame as tall as its content; a long text scrolls within it, since
     * laying out a page of a million pixels takes minutes. */
    fit() {
        const frame = this.frame.el;
        const body = frame?.contentDocument?.body;
        if (this.state.whole || body?.scrollHeight > MAX_HEIGHT) {
            frame.style.height = LONG_HEIGHT;
        } else if (body) {
            frame.style.height = `${Math.max(body.scrollHeight + 8, KEEPS_HEIGHT)}px`;
            this.props.onFit();
        }
    }

    /** Ask Gmail for all of a long text; Odoo keeps its beginning. */
    async showAll() {
        this.state.error = "";
        this.state.busy = true;
        try {
            this.state.whole = await this.gmail.whole(this.props.message);
            this.fit();
        } catch (error) {
            this.state.error = sentenceOf(error);
        } finally {
            this.state.busy = false;
        }
    }

    /** Whether there are remote images, and they are not shown. */
    get hidesImages() {
        const { has_remote_images, shows_images } = this.props.message;
        return has_remote_images && !shows_images && !this.state.images;
    }

    async showImages(always) {
        this.state.error = "";
        try {
            this.state.images = await this.gmail.images(this.props.message, always);
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }

    /** Fill in the pictures that came with the mail. */
    async showPictures(page) {
        const holders = page.querySelectorAll("img[data-cid]:not([src])");
        if (!holders.length || !this.props.message.has_pictures) {
            return;
        }
        this.state.error = "";
        try {
            const pictures = await this.gmail.pictures(this.props.message);
            for (const holder of holders) {
                const picture = pictures[holder.dataset.cid];
                if (picture) {
                    holder.src = picture;
                }
            }
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }
}

export class GmailConversation extends Component {
    static template = "gmail_oauth_mailbox.Conversation";
    static components = { GmailAttachment, GmailBody, GmailComposer, GmailDocuments };
    static props = { thread: Object };

    setup() {
        this.gmail = useService("gmail_oauth_mailbox");
        this.card = usePopover(GmailCard, { position: "bottom-start" });
        this.state = useState({ unfolded: {}, answer: null, named: {}, error: "" });
        this.root = useRef("root");
        this.reset(this.props.thread);
        this.opened = Date.now();
        useEffect(
            () => {
                this.opened = Date.now();
                this.showNew();
            },
            () => [this.props.thread.id, this.props.thread.messages.length]
        );
        onWillUpdateProps((next) => {
            if (next.thread.id === this.props.thread.id) {
                this.unfoldLast(next.thread);
                this.resume(next.thread, (draft) => draft.error);
            } else {
                this.reset(next.thread);
            }
        });
    }

    /** Bring what is new into view, else the latest, while the frames still grow. */
    showNew() {
        // Whoever writes keeps her place.
        if (this.state.answer || Date.now() - this.opened > SETTLES) {
            return;
        }
        const { messages } = this.props.thread;
        const last = messages.at(-1);
        const unread = messages.find((message) => message.is_unread);
        const shown = last?.direction === "out" ? last : unread || last;
        if (shown && shown !== messages[0]) {
            this.root.el
                ?.querySelector(`.o_gmail_message[data-id='${shown.id}']`)
                ?.scrollIntoView({ block: "start" });
        }
    }

    async closeAnswer() {
        this.state.answer = null;
        await this.gmail.refreshDrafts();
        if (this.props.thread.messages.at(-1)?.direction === "out") {
            this.opened = Date.now();
            this.showNew();
        }
        this.root.el?.closest(".o_gmail_reader")?.focus();
    }

    reset(thread) {
        this.state.unfolded = {};
        this.state.error = "";
        this.unfoldLast(thread);
        for (const message of thread.messages) {
            if (message.is_unread) {
                this.state.unfolded[message.id] = true;
            }
        }
        this.state.answer = null;
        this.resume(thread, () => true);
    }

    /** Go on with a draft that was left, or that came back. */
    resume(thread, isWanted) {
        if (this.state.answer) {
            return;
        }
        const ids = new Set(thread.messages.map((message) => message.id));
        const drafts = thread.drafts.filter(
            ({ state, answered_id }) => state === "draft" && ids.has(answered_id)
        );
        const left =
            drafts.find(({ id }) => id === this.gmail.draftId) ||
            drafts.findLast(isWanted);
        if (left) {
            this.state.unfolded[left.answered_id] = true;
            this.beginWith(left.answered_id, () => this.gmail.readDraft(left.id));
        }
    }

    unfoldLast(thread) {
        const last = thread.messages.at(-1);
        if (last) {
            this.state.unfolded[last.id] = true;
        }
    }

    /** Whoever wrote last from outside. */
    get sender() {
        const { messages } = this.props.thread;
        return messages.findLast((m) => m.direction === "in")?.from_email || "";
    }

    get excludeTitle() {
        return _t("Keep mail with %s out of Odoo", this.sender);
    }

    isOpen(message) {
        return Boolean(this.state.unfolded[message.id]);
    }

    toggle(message) {
        this.state.unfolded[message.id] = !this.state.unfolded[message.id];
    }

    initial(message) {
        return (message.from_name || "?").trim().charAt(0).toUpperCase();
    }

    date(value) {
        return deserializeDateTime(value).toLocaleString(luxon.DateTime.DATETIME_MED);
    }

    // ------------------------------------------------------------------
    // People
    // ------------------------------------------------------------------

    /** Whom a message went to, by role; of many, the first. */
    recipients(message) {
        let room = this.state.named[message.id] ? Infinity : SHOWN_PEOPLE;
        const groups = [
            { role: "to", name: _t("to"), people: message.people.to },
            { role: "cc", name: _t("cc"), people: message.people.cc },
            { role: "bcc", name: _t("bcc"), people: message.people.bcc },
        ];
        return groups
            .map((group) => {
                const people = group.people.slice(0, Math.max(0, room));
                room -= people.length;
                return { ...group, people };
            })
            .filter((group) => group.people.length);
    }

    /** How many of them are not shown. */
    hidesRecipients(message) {
        const { to, cc, bcc } = message.people;
        const count = to.length + cc.length + bcc.length;
        return this.state.named[message.id] ? 0 : Math.max(0, count - SHOWN_PEOPLE);
    }

    showRecipients(message) {
        this.state.named[message.id] = true;
    }

    cardLabel(name) {
        return _t("Who is %s?", name);
    }

    showCard(ev, { name, address }) {
        if (address) {
            this.card.open(ev.currentTarget, { name, address });
        }
    }

    // ------------------------------------------------------------------
    // Writing
    // ------------------------------------------------------------------

    answer(message, mode) {
        return this.beginWith(message.id, () => this.gmail.beginAnswer(message, mode));
    }

    async beginWith(id, call) {
        this.state.error = "";
        try {
            this.state.answer = { id, draft: await call() };
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }

    /** What waits in this conversation, but for what is being written. */
    get waiting() {
        const leaving = new Set(this.gmail.leaving.map((mail) => mail.id));
        return this.props.thread.drafts.filter(
            (draft) => draft.state === "waiting" && !leaving.has(draft.id)
        );
    }

    canAnswer(message) {
        return this.props.thread.can_send && message.reply.to;
    }

    hasMany(message) {
        return Boolean(message.reply_all.cc) || message.reply_all.to.includes(", ");
    }

    remove() {
        this.gmail.confirmRemoval(
            _t("Remove this conversation from Odoo?"),
            async () => {
                this.state.error = "";
                try {
                    await this.gmail.removeThreads([this.props.thread.id]);
                } catch (error) {
                    this.state.error = sentenceOf(error);
                }
            },
            () => this.root.el?.querySelector(".o_gmail_remove")?.focus()
        );
    }
}
