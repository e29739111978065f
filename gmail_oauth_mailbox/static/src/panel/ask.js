import { useState } from "@odoo/owl";

import { sentenceOf } from "./gmail_service";

/**
 * What a component asks the server for, one thing at a time.
 *
 * `busy` is what is asked for just now; `error` the sentence when it failed.
 */
export function useAsking() {
    const asking = useState({
        busy: false,
        error: "",
        /** Return what `call` brings; undefined when it failed, or another is busy. */
        async ask(call, what = true) {
            if (asking.busy) {
                return;
            }
            asking.busy = what;
            asking.error = "";
            try {
                return await call();
            } catch (error) {
                asking.error = sentenceOf(error);
            } finally {
                asking.busy = false;
            }
        },
    });
    return asking;
}
