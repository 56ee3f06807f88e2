//! What the pages of participants say.

use crate::console::words::words;

words! {
    /// Texts of the pages of participants.
    Words {
        nothing: "No participant was called since this server started.", "本服务启动以来尚未调用过任何参与方。";
        until_end: "Limits that are set here hold at once, and last until the server ends. What holds for good is in its settings.",
            "此处的限额立即生效，服务结束后失效；长期限额请写在服务的设置中。";
        breaker: "Breaker", "熔断器";
        under_way: "Under way / limit", "进行中 / 上限";
        waiting: "Waiting", "等待";
        waiting_hint: "in memory", "内存中";
        parked: "Parked", "暂存";
        parked_hint: "in the journal", "日志中";
        calls: "Calls", "调用数";
        errors: "No answer", "无确定应答";
        mean: "Mean", "平均耗时";
        held: "Held until", "暂缓至";
        held_hint: "It asked by Retry-After to be left alone.", "对方通过 Retry-After 要求暂缓调用。";
        closed: "closed", "闭合";
        open: "open", "熔断";
        probing: "probing", "试探";
        off: "off", "未启用";
        until: "until", "至";
        in_a_row: "without an answer in a row", "次连续无应答";
        at_most: "at most", "最多";
        per_second_short: "/s", "次/秒";
        change: "Change limits", "修改限额";
        max_concurrent: "Calls at a time", "同时调用数";
        max_concurrent_hint: "A whole number of at least 1.", "不小于 1 的整数。";
        max_per_second: "Calls a second", "每秒调用数";
        max_per_second_hint: "Empty for no limit.", "留空表示不限。";
        failures: "Breaker opens after", "连续多少次无应答后熔断";
        failures_hint: "So many calls in a row without an answer; empty for no breaker.",
            "连续无应答的调用次数；留空表示不启用熔断器。";
        save: "Set these limits", "设置限额";
        saved: "The limits hold now:", "限额已生效：";
        not_saved: "Nothing was changed.", "未作任何改动。";
    }
}
