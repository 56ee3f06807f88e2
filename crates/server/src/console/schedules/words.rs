//! What the pages of schedules say.

use crate::console::words::words;

words! {
    /// Texts of the pages of schedules.
    Words {
        nothing: "There is no schedule yet.", "还没有定时任务。";
        when: "When", "执行时间";
        every: "every", "每隔";
        next_run: "Next run", "下次执行";
        in_time: "in", "还有";
        overdue: "due now", "已到期";
        never: "never", "无";
        last_run: "Last run", "上次执行";
        triggered_run: "Last run out of turn", "上次手动执行";
        runs: "Runs", "已执行";
        missed: "Missed", "错过";
        missed_hint: "nobody ran when it was due", "到期时服务未运行";
        overlapped: "Overlapped", "重叠跳过";
        overlapped_hint: "left out because an earlier run was not settled", "上一次执行尚未结束，因此跳过";
        on_missed: "If nobody ran", "错过时";
        missed_skip: "leave it out", "跳过";
        missed_once: "run once for all of them", "合并补执行一次";
        on_overlap: "If an earlier run is not settled", "上一次未结束时";
        overlap_skip: "leave it out", "跳过";
        overlap_queue: "wait for it", "排队等待";
        created: "Made", "创建时间";
        updated: "Changed", "修改时间";
        removed_saga: "removed or damaged", "已清除或损坏";
        active: "active", "正常";
        waiting: "waiting", "排队中";
        blocked: "blocked", "受阻";
        broken: "broken", "无法读取";
        blocked_by: "Nothing runs until a person has settled the incident of", "在人工处理完以下 saga 的异常单之前不会执行：";
        waiting_for: "A run waits until the one before it is settled; it was due", "有一次执行正在等待上一次结束，原定于";
        trigger: "Run now", "立即执行";
        trigger_confirm: "Run this schedule's saga now, out of turn?", "现在就执行一次该定时任务的 saga？";
        delete: "Delete", "删除";
        delete_confirm: "Delete this schedule? Sagas that it has started go on.", "删除该定时任务？已启动的 saga 会继续执行。";
        document: "Document", "文档";
        edit: "Change the document", "修改文档";
        edit_hint: "JSON with cron and timezone, or every; and the saga to run. It holds for due times that come after this.",
            "JSON：cron 与 timezone，或 every；以及要执行的 saga saga。对之后的执行时间生效。";
        save: "Put this document", "保存文档";
        new: "New schedule", "新建定时任务";
        new_name_hint: "1 to 64 characters of A-Z a-z 0-9 _ -", "1 至 64 个字符：A-Z a-z 0-9 _ -";
        make: "Make it", "创建";
        is_there: "name: there is a schedule of this name; change it on its own page", "name：已有同名定时任务，请在其页面中修改";
        not_there: "There is no such schedule.", "没有这个定时任务。";
        no_name: "name: expected 1 to 64 characters of A-Za-z0-9_-", "name：应为 1 至 64 个字符的 A-Za-z0-9_-";
        no_document: "document: expected a JSON object", "document：应为 JSON 对象";
        not_saved: "Nothing was changed.", "未作任何改动。";
        was_made: "The schedule was made.", "定时任务已创建。";
        was_changed: "The schedule is as the document says.", "定时任务已按文档更新。";
        was_deleted: "The schedule was deleted:", "定时任务已删除：";
        was_triggered: "The run was started:", "已启动执行：";
        unreadable: "Records that cannot be read", "无法读取的记录";
    }
}

impl Words {
    /// How a schedule is.
    pub(super) fn state<'a>(&self, state: &'a str) -> &'a str
    where
        Self: 'a,
    {
        match state {
            "active" => self.active,
            "waiting" => self.waiting,
            "blocked" => self.blocked,
            "broken" => self.broken,
            state => state,
        }
    }
}
