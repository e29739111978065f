import { ActivityMenu } from "@mail/core/web/activity_menu";
import { patch } from "@web/core/utils/patch";

patch(ActivityMenu.prototype, {
    /** A request has one activity, so there is no view of its activities. */
    availableViews(group) {
        const views = super.availableViews(...arguments);
        return group.model === "gmail.offer"
            ? views.filter(([, type]) => type !== "activity")
            : views;
    },
});
