//! What the list of sagas says.

use crate::console::words::words;

words! {
    /// Texts of the list of sagas.
    Words {
        text: "Id, or text in id, name or input", "编号，或编号、名称、输入中的文字";
        since: "From (UTC)", "起始时间（UTC）";
        until: "Before (UTC)", "截止时间（UTC）";
        nothing: "There are no sagas yet.", "还没有 saga。";
        nothing_found: "No saga matches.", "没有符合条件的 saga。";
        nothing_yet: "Nothing found so far.", "目前尚未找到。";
        searched_back: "Searched back to", "已向前搜索至";
        go_on: "Go on searching", "继续搜索";
        progress: "Steps", "步骤";
        started: "Started", "开始时间";
        took: "Took / age", "耗时 / 已历时";
        reason: "Reason", "原因";
        by: "Submitted by", "提交者";
        exact: "This id exactly", "编号完全一致";
        unreadable: "Its record is damaged. Nothing acts on it; the server's log says what is wrong.",
            "其记录已损坏，系统不会再处理它；详情见服务器日志。";
        wrong_time: "is not a time; expected one such as 2026-01-31T08:30",
            "不是有效的时间；应形如 2026-01-31T08:30";
        steps_done: "steps done", "个步骤已完成";
        of: "of", "/";
    }
}
