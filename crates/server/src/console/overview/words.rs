//! What the overview says.

use crate::console::words::words;

words! {
    /// Texts of the overview.
    Words {
        rates: "Sagas per minute", "每分钟 saga 数";
        latencies: "How long sagas took", "saga 耗时";
        latencies_hint: "From accepted to settled, by the minute in which they were settled. The axis is logarithmic.",
            "从受理到结束，按结束时所在的分钟统计；纵轴为对数刻度。";
        last_hour: "the last hour", "最近一小时";
        ago: "min ago", "分钟前";
        now: "now", "现在";
        minute: "Minute", "分钟";
        accepted: "accepted", "已受理";
        incidents_opened: "incident opened", "新异常单";
        incidents: "incidents", "异常单";
        as_table: "As a table", "以表格显示";
        half: "half (p50)", "一半（p50）";
        of_20: "19 of 20 (p95)", "20 个中的 19 个（p95）";
        of_100: "99 of 100 (p99)", "100 个中的 99 个（p99）";
        no_value: "none settled", "无 saga 结束";
        not_whole: "Shaded minutes are not complete: more was settled then than was read back from the journal.",
            "阴影部分的分钟数据不完整：当时结束的 saga 多于从日志读回的数量。";
        accepted_since: "How many were accepted is known since this server started; the rest was read back from the journal.",
            "“已受理”自本服务启动后才有统计，其余数据从日志读回。";
        due: "Due now", "已到期";
        due_hint: "their time has come", "到了执行时间";
        parked: "Waiting for later", "等待中";
        parked_hint: "for a retry or an answer", "等待重试或应答";
        in_memory: "In memory", "内存中";
        calls_open: "calls under way:", "进行中的调用：";
        oldest: "Oldest unsettled", "最早未结束";
        all_settled: "Everything is settled", "全部 saga 均已结束";
        accepted_at: "accepted", "受理于";
        open_incidents: "Open incidents", "待处理异常单";
        last_day: "last 24 h:", "近 24 小时：";
        opened: "opened", "新增";
        resolved: "resolved", "已处理";
        journal: "Journal commits", "日志提交";
        per_second: "/s", "次/秒";
        journal_hint: "p99 at most", "p99 不超过";
        since_start: "since the start", "自启动以来";
        errors: "No answer", "无确定应答";
        waiting: "Waiting", "等待";
        what_waits: "What waits for a person", "等待人工处理";
        nothing_waits: "Nothing needs a person.", "没有需要人工处理的事项。";
        how_many: "Open", "待处理";
        waiting_for: "Waiting for", "已等待";
        all_incidents: "All incidents", "全部异常单";
        health: "Participants", "参与方";
        all_participants: "All participants", "全部参与方";
        no_participants: "None was called since this server started.", "本服务启动以来尚未调用过任何参与方。";
    }
}
