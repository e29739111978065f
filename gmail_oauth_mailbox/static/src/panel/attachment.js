import { Component, useState } from "@odoo/owl";

import { Dropdown } from "@web/core/dropdown/dropdown";
import { DropdownItem } from "@web/core/dropdown/dropdown_item";
import { useFileViewer } from "@web/core/file_viewer/file_viewer_hook";
import { FileModel } from "@web/core/file_viewer/file_model";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";

import { useAsking } from "./ask";

/** A file of a message: look at it, download it, save it to a document. */
export class GmailAttachment extends Component {
    static template = "gmail_oauth_mailbox.Attachment";
    static components = { Dropdown, DropdownItem };
    static props = { attachment: Object };

    setup() {
        this.gmail = useState(useService("gmail_oauth_mailbox"));
        this.viewer = useFileViewer();
        this.asking = useAsking();
    }

    get size() {
        return this.gmail.sizeOf(this.props.attachment.size);
    }

    get icon() {
        const { mimetype } = this.props.attachment;
        if (mimetype.startsWith("image/")) {
            return "fa-file-image-o";
        }
        return mimetype === "application/pdf" ? "fa-file-pdf-o" : "fa-paperclip";
    }

    get moreLabel() {
        return _t("More for %s", this.props.attachment.name);
    }

    saveLabel({ name }) {
        return _t("Save to %s", name);
    }

    /** Show what a browser can show; download the rest. */
    open() {
        return this.asking.ask(async () => {
            const file = Object.assign(
                new FileModel(),
                await this.gmail.openAttachment(this.props.attachment)
            );
            if (file.isViewable) {
                this.viewer.open(file);
            } else {
                this.gmail.download(file);
            }
        });
    }

    download() {
        return this.asking.ask(async () => {
            this.gmail.download(await this.gmail.openAttachment(this.props.attachment));
        });
    }

    saveTo(link) {
        return this.asking.ask(async () => {
            const name = await this.gmail.saveAttachment(this.props.attachment, link);
            this.gmail.say(_t("Saved to %s.", name));
        });
    }
}
