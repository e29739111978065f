import {
    Component,
    markup,
    onMounted,
    onWillUnmount,
    useRef,
    useState,
} from "@odoo/owl";

import { ListPlugin } from "@html_editor/main/list/list_plugin";
import { ColorPlugin } from "@html_editor/main/font/color_plugin";
import { FeffPlugin } from "@html_editor/main/feff_plugin";
import { HintPlugin } from "@html_editor/main/hint_plugin";
import { InlineCodePlugin } from "@html_editor/main/inline_code";
import { LinkPastePlugin } from "@html_editor/main/link/link_paste_plugin";
import { LinkPlugin } from "@html_editor/main/link/link_plugin";
import { ShortCutPlugin } from "@html_editor/core/shortcut_plugin";
import { PlaceholderPlugin } from "@html_editor/main/placeholder_plugin";
import { TabulationPlugin } from "@html_editor/main/tabulation_plugin";
import { ToolbarPlugin } from "@html_editor/main/toolbar/toolbar_plugin";
import { CORE_PLUGINS } from "@html_editor/plugin_sets";
import { Wysiwyg } from "@html_editor/wysiwyg";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";

import { sentenceOf } from "./gmail_service";

const PLUGINS = [
    ...CORE_PLUGINS,
    ColorPlugin,
    FeffPlugin,
    HintPlugin,
    InlineCodePlugin,
    LinkPastePlugin,
    LinkPlugin,
    ListPlugin,
    PlaceholderPlugin,
    ShortCutPlugin,
    // Lists need it; Escape leads out of the text.
    TabulationPlugin,
    ToolbarPlugin,
];

/** An answer being written. What is written outlives the panel until it is sent. */
export class GmailComposer extends Component {
    static template = "gmail_oauth_mailbox.Composer";
    static components = { Wysiwyg };
    static props = { message: Object, mode: String, onClose: Function };

    setup() {
        this.gmail = useService("gmail_oauth_mailbox");
        this.state = useState({ isSending: false, error: "" });
        this.config = {
            // The editor's own output, or nothing: not a stranger's HTML.
            content: markup(this.gmail.drafts.get(this.key)?.html || "<p><br></p>"),
            placeholder: _t("Write your answer…"),
            Plugins: PLUGINS,
            classList: ["o_gmail_editor"],
            onChange: () => this.keep(),
            onEditorReady: () => this.editor.editable.focus(),
        };
        this.root = useRef("root");
        onMounted(() => this.root.el.scrollIntoView({ block: "nearest" }));
        onWillUnmount(() => this.keep());
    }

    get key() {
        return `${this.props.message.id}`;
    }

    get recipients() {
        return this.props.message[this.props.mode];
    }

    onLoad(editor) {
        this.editor = editor;
    }

    keep() {
        if (this.editor && !this.editor.isDestroyed && !this.isSent) {
            const html = this.editor.getContent();
            this.gmail.drafts.set(this.key, { html, mode: this.props.mode });
        }
    }

    onKeydown(ev) {
        if (ev.key === "Enter" && (ev.ctrlKey || ev.metaKey)) {
            ev.preventDefault();
            ev.stopPropagation();
            this.send();
        } else if (ev.key === "Escape" && !ev.defaultPrevented) {
            // Out of the text, by the keyboard.
            ev.preventDefault();
            ev.stopPropagation();
            this.root.el.querySelector(".o_gmail_send").focus();
        }
    }

    discard() {
        this.isSent = true;
        this.gmail.drafts.delete(this.key);
        this.props.onClose();
    }

    async send() {
        if (this.state.isSending) {
            return;
        }
        this.keep();
        this.state.isSending = true;
        this.state.error = "";
        try {
            await this.gmail.reply(
                this.props.message,
                this.props.mode,
                this.editor.getContent()
            );
            this.isSent = true;
            this.gmail.drafts.delete(this.key);
            this.props.onClose();
        } catch (error) {
            this.state.error = sentenceOf(error);
        } finally {
            this.state.isSending = false;
        }
    }
}
