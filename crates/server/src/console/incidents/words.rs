//! What the pages of incidents say.

use crate::console::words::words;

words! {
    /// Texts of the pages of incidents.
    Words {
        nothing_open: "Nothing needs a person.", "没有需要人工处理的事项。";
        nothing_found: "No incident matches.", "没有符合条件的异常单。";
        groups: "Alike", "同类汇总";
        how_many: "Open", "待处理";
        oldest: "Waiting for", "已等待";
        select: "Select", "选择";
        select_all: "Select all", "全选";
        decide_selected: "Decide the selected", "批量处理所选";
        decide_many_hint: "The same decision for each of them; what does not fit is answered one by one.",
            "对所选的每一项作相同的处理；不适用的会逐条说明。";
        decide: "Decide", "处理";
        decision: "Decision", "处理方式";
        retry: "Call again", "重新调用";
        retry_hint: "With the same idempotency key: a participant that honours it does nothing twice.",
            "使用相同的幂等键：遵守幂等键的参与方不会重复执行。";
        done: "It happened", "确已发生";
        done_hint: "You did it by hand, or saw that it happened.", "已由人工完成，或已确认它确实发生。";
        not_done: "It did not happen", "并未发生";
        not_done_hint: "You saw that it did not happen; the saga goes on from there.",
            "已确认它并未发生；saga 由此继续。";
        abandon: "Leave it as it is", "放弃，保持现状";
        abandon_hint: "Nobody does anything more about it. A note must say why.",
            "不再作任何处理，必须在备注中说明原因。";
        edit_request: "Send this body instead", "改为发送以下正文";
        edit_hint: "Leave it as it is to send the request as it was. A masked field that is left alone keeps its value.",
            "不修改则按原样发送；保持遮盖的字段沿用原值。";
        result: "What the call returned, as JSON", "调用的返回值（JSON）";
        result_hint: "Later steps and the compensation read it. Leave it empty where nothing reads it.",
            "后续步骤与补偿会读取它；没有读取时可留空。";
        note_why: "Why, for the record", "原因（记录在案）";
        not_json: "is not JSON; nothing was decided", "不是 JSON，未作处理";
        too_many: "At most 500 incidents can be decided at once; nothing was decided.", "一次最多处理 500 张异常单；未作处理。";
        long_note: "A note has at most 10,000 bytes; nothing was decided.", "备注最多 10,000 字节；未作处理。";
        choose: "Choose a decision; nothing was decided.", "请选择处理方式；未作处理。";
        select_some: "Select at least one incident; nothing was decided.", "请至少选择一项；未作处理。";
        resolved_as: "Decided", "处理结果";
        decided: "decided", "已处理";
        of: "of", "/";
        state_open: "open", "待处理";
        state_resolved: "resolved", "已处理";
        no_request: "No request could be made.", "未能生成请求。";
        no_response: "No answer came.", "没有收到应答。";
        unknown_outcome: "outcome unknown", "结果未知";
        refused: "refused", "被拒绝";
        not_sent: "never got through", "始终未能送达";
        unmakeable: "request cannot be made", "无法生成请求";
        contradiction: "contradicting answers", "前后矛盾";
        mismatch: "code does not fit the record", "代码与记录不符";
        what_happened: "What happened", "发生了什么";
        place: "Where it stands in the saga", "在 saga 中的位置";
        history: "Every attempt", "每次调用";
        whole_saga: "The whole saga", "查看整个 saga";
        calls_next: "Then called", "随后调用";
        saga_then: "The saga is then", "saga 随后";
        not_allowed: "Not possible here", "此处不可用";
        compensates: "Compensated then", "随后补偿";
        up_to_function: "What comes after that is for the saga's function to say.", "之后的步骤由 saga 函数决定。";
        earlier: "Decided before", "之前的处理";
        key: "Idempotency key", "幂等键";
    }
}

impl Words {
    /// Why a person is needed.
    pub(super) fn kind<'a>(&self, kind: &'a str) -> &'a str
    where
        Self: 'a,
    {
        match kind {
            "unknown_outcome" => self.unknown_outcome,
            "refused" => self.refused,
            "not_sent" => self.not_sent,
            "unmakeable" => self.unmakeable,
            "contradiction" => self.contradiction,
            "mismatch" => self.mismatch,
            kind => kind,
        }
    }
}
