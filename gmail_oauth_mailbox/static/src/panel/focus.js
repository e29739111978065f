import { useEffect } from "@odoo/owl";

/**
 * Take the focus when an element appears, and give it back when it goes, unless
 * something else has it by then.
 */
export function useFocusWithin(root) {
    useEffect(
        () => {
            const before = document.activeElement;
            root.el.focus();
            return () => {
                const { activeElement } = document;
                const isFree = !activeElement || activeElement === document.body;
                if (isFree && before?.isConnected) {
                    before.focus();
                }
            };
        },
        () => []
    );
}
