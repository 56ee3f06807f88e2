//! What the page of one saga says.

use crate::console::words::words;

words! {
    /// Texts of the page of one saga.
    Words {
        failed: "failed", "失败";
        no_saga: "There is no saga with this id.", "没有这个编号的 saga。";
        started: "Started", "开始时间";
        took: "Took", "耗时";
        age: "Age", "已历时";
        deadline: "Deadline", "截止时间";
        submitted_by: "Submitted by", "提交者";
        trace: "Trace", "追踪编号";
        why: "Why it went back", "回退原因";
        waits: "waits for a person", "等待人工处理";
        decide: "Decide", "处理";
        earlier_incidents: "Incidents", "异常单";
        cancel: "Cancel this saga", "取消此 saga";
        cancel_confirm: "Cancel this saga? What was done is compensated; this cannot be undone.",
            "确定取消此 saga 吗？已完成的步骤将被补偿，且无法撤销。";
        past_pivot: "Past its pivot: it can only go forward.", "已越过关键步骤，只能继续向前。";
        steps: "Steps", "步骤";
        picture: "Course", "流程";
        picture_of: "The steps of saga", "saga 的步骤图：";
        way_forward: "forward", "向前执行";
        way_back: "compensation, numbered in its order", "补偿（按序编号）";
        too_many: "Too many steps for a picture; they are in the table below.",
            "步骤过多，不便绘图；请见下方表格。";
        needs: "Needs", "依赖";
        pivot: "pivot", "关键步骤";
        pivot_hint: "No way back after this step.", "此步骤之后不再回退。";
        compensation: "Compensation", "补偿";
        tried: "attempts", "次尝试";
        timeline: "Timeline", "时间线";
        timeline_of: "Every call of the saga over time; the same is in the list below.",
            "各次调用的时间分布；下方列表包含相同信息。";
        skipped_time: "pause, drawn short", "间歇（缩短显示）";
        result: "Result", "结果";
        results: "Show", "查看";
        input: "Input", "输入";
        step_input: "Input of the step", "步骤的输入";
        history: "What happened", "经过";
        earlier_left_out: "Earlier entries are left out here; the API gives all of them.",
            "较早的记录在此省略；可通过 API 查看全部。";
        cut: "Payloads beyond this are cut short on this page.", "本页此后的正文已截短显示。";
        unfold_hint: "Unfold an entry to see what was sent and what came back.",
            "展开条目可查看发送与返回的内容。";
        no_answer: "No answer came.", "没有收到应答。";
        not_yet: "No answer yet.", "尚未收到应答。";
        no_body: "no body", "无正文";
        next_try: "Next at", "下次时间";
        attempt: "Attempt", "调用";
        check: "Check", "查询";
        submitted: "Submitted", "已提交";
        unmakeable: "The request cannot be made", "无法生成请求";
        callback_received: "Callback received", "收到回调";
        callback_overdue: "No callback came in time", "回调超时";
        step_added: "The function came to a step", "函数添加了步骤";
        returned: "The function returned", "函数已返回";
        gave_back: "Gave back the failure of", "返回了此步骤的失败";
        withdrawn: "The function takes back", "函数撤回";
        cancel_requested: "Cancelled", "请求取消";
        turned: "The saga goes back", "saga 开始回退";
        incident_opened: "An incident is opened", "产生异常单";
        incident_resolved: "The incident is decided", "异常单已处理";
        settled: "Settled", "已结束";
        decision: "Decision", "处理方式";
        cause_cancelled: "cancelled", "已取消";
        cause_deadline: "out of time", "超过截止时间";
    }
}

impl Words {
    /// What kind of thing happened.
    pub(super) fn kind<'a>(&self, kind: &'a str) -> &'a str
    where
        Self: 'a,
    {
        match kind {
            "attempt_started" | "attempt_ended" => self.attempt,
            "check_started" | "check_ended" => self.check,
            "submitted" => self.submitted,
            "unmakeable" => self.unmakeable,
            "callback_received" => self.callback_received,
            "callback_overdue" => self.callback_overdue,
            "step_added" => self.step_added,
            "returned" => self.returned,
            "withdrawn" => self.withdrawn,
            "cancel_requested" => self.cancel_requested,
            "turned" => self.turned,
            "incident_opened" => self.incident_opened,
            "incident_resolved" => self.incident_resolved,
            "settled" => self.settled,
            kind => kind,
        }
    }
}
