//! What more than one part of the console says.

use super::words;

words! {
    /// Texts of every page.
    Common {
        overview: "Overview", "概览";
        sagas: "Sagas", "Saga";
        incidents: "Incidents", "异常单";
        schedules: "Schedules", "定时任务";
        participants: "Participants", "参与方";
        audit: "Audit", "审计";
        skip: "Skip to content", "跳到正文";
        navigation: "Main navigation", "主导航";
        log_in: "Log in", "登录";
        log_out: "Log out", "退出";
        token: "Token", "令牌";
        token_hint: "A token of the token file, with the role read, operate or admin.",
            "令牌文件中的一个令牌，角色为 read、operate 或 admin。";
        token_unknown: "This token is not one that is known here.", "这个令牌在此处无法识别。";
        token_may_not: "This token's role does not allow to look at the console; it needs read, operate or admin.",
            "该令牌的角色无权使用控制台，需要 read、operate 或 admin。";
        too_many_logins: "Too many logins have failed. Wait a minute and try again.",
            "登录失败次数过多，请一分钟后再试。";
        no_session: "No session can be begun now. Try again.", "暂时无法建立会话，请重试。";
        log_in_first: "Your session is over. Log in again.", "会话已结束，请重新登录。";
        strange_page: "This was sent from a page that is not the console's. Nothing was changed.",
            "该请求不是从控制台页面发出的，未作任何改动。";
        old_form: "This page is from an earlier session. Nothing was changed; go back, load it again and repeat.",
            "该页面属于之前的会话，未作任何改动；请返回并重新加载后再操作。";
        may_not: "Your token's role does not allow this; it needs operate or admin.",
            "您的令牌角色无权执行此操作，需要 operate 或 admin。";
        may_not_see: "Your token's role does not allow this; it needs admin.",
            "您的令牌角色无权查看，需要 admin。";
        not_possible: "Not possible", "无法完成";
        nothing_here: "There is no such page.", "没有这个页面。";
        back_home: "To the overview", "回到概览";
        light: "Appearance", "外观";
        light_system: "System", "跟随系统";
        light_light: "Light", "浅色";
        light_dark: "Dark", "深色";
        live: "live", "实时";
        live_off: "not live", "未实时";
        search: "Search", "搜索";
        filter: "Filter", "筛选";
        clear: "Clear", "清除";
        all: "all", "全部";
        more: "Older", "更早";
        newest: "Newest", "最新";
        id: "Id", "编号";
        saga: "Saga", "Saga";
        name: "Name", "名称";
        step: "Step", "步骤";
        state: "State", "状态";
        kind: "Kind", "类型";
        participant: "Participant", "参与方";
        error: "Error", "错误";
        attempts: "Attempts", "尝试次数";
        request: "Request", "请求";
        response: "Response", "应答";
        headers: "Headers", "头部";
        body: "Body", "正文";
        status: "Status", "状态码";
        outcome: "Outcome", "结果";
        note: "Note", "备注";
        by: "By", "操作人";
        at: "When", "时间";
        opened: "Opened", "发生时间";
        took: "Took", "耗时";
        copy: "Copy", "复制";
        copied: "Copied", "已复制";
        reveal: "Show what is masked", "显示被遮盖的内容";
        conceal: "Mask again", "重新遮盖";
    }
}

impl Common {
    /// A decision of the journal as people are shown it: it has a word with an outcome in common that
    /// means something else there.
    pub(in crate::console) fn decision<'a>(&self, word: &'a str) -> &'a str {
        match word {
            "done" if self.is_chinese() => "确已发生",
            word => self.word(word),
        }
    }

    fn is_chinese(&self) -> bool {
        self.overview == Self::of(super::Language::Chinese).overview
    }

    /// A word of the journal as people are shown it; itself where there is no other.
    pub(in crate::console) fn word<'a>(&self, word: &'a str) -> &'a str {
        let english = match word {
            "not_sent" => "not sent",
            "not_done" => "not done",
            "compensation_failed" => "compensation failed",
            word => word,
        };
        if !self.is_chinese() {
            return english;
        }
        match word {
            "running" => "进行中",
            "compensating" => "补偿中",
            "completed" => "已完成",
            "compensated" => "已补偿",
            "stuck" => "待人工处理",
            "waiting" => "等待",
            "done" => "成功",
            "refused" => "被拒绝",
            "unknown" => "结果未知",
            "pending" => "待回复",
            "not_sent" => "未发出",
            "compensation_failed" => "补偿失败",
            "skipped" => "已跳过",
            "abandoned" => "已放弃",
            "action" => "执行",
            "compensation" => "补偿",
            "open" => "待处理",
            "resolved" => "已处理",
            "retry" => "重试",
            "abandon" => "放弃",
            "happened" => "已发生",
            "not_done" | "did_not_happen" => "未发生",
            "inconclusive" => "无法确定",
            "attempt" => "调用",
            "check" => "查询",
            word => word,
        }
    }
}
