//! What the page of the audit log says.

use crate::console::words::words;

words! {
    /// Texts of the page of the audit log.
    Words {
        nothing: "No entry matches.", "没有符合条件的记录。";
        who: "Who", "操作人";
        action: "Action", "操作";
        action_hint: "incident.resolve", "incident.resolve";
        target: "About", "对象";
        since: "Since (UTC)", "起始时间（UTC）";
        since_wrong: "since: expected a time such as 2026-01-31T08:30", "since：应为形如 2026-01-31T08:30 的时间";
        from: "From", "来源地址";
        detail: "In particular", "详情";
        hash: "Hash", "哈希";
        chain: "entries of this page follow by their hashes from the one before.", "条记录的哈希与上一条衔接一致。";
        of: "of", "/";
        broken_chain: "Hashes do not follow from one another: the log was changed outside of this server.",
            "哈希链不一致：审计日志曾在本服务之外被改动。";
        kept: "Changes are on record for good, with who asked for them and what they were answered.",
            "每次变更及其操作人与结果均永久记录。";
    }
}
