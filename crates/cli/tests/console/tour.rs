//! Every page of the console: those that are known, and those that links lead to.

use std::collections::{BTreeSet, VecDeque};

use settled_test_browser::Page;

use crate::world::World;

/// What there is to see with the sagas of `sagas::furnish`, and what a picture of it is called.
pub(crate) const PAGES: &[(&str, &str)] = &[
    ("overview", "/console"),
    ("sagas", "/console/sagas"),
    ("saga-stuck", "/console/sagas/order-stuck"),
    ("saga-compensated", "/console/sagas/order-decided"),
    ("incidents", "/console/incidents"),
    ("incidents-all", "/console/incidents?state="),
    ("incident-open", "/console/incidents/order-stuck~1"),
    ("incident-resolved", "/console/incidents/order-decided~1"),
    ("participants", "/console/participants"),
    ("schedules", "/console/schedules"),
    ("audit", "/console/audit"),
];

/// Those that need no saga.
pub(crate) const FIRST_PAGES: &[(&str, &str)] = &[
    ("incidents-none", "/console/incidents?state=open"),
    (
        "incidents-nothing-found",
        "/console/incidents?state=&step=none",
    ),
    ("nothing-here", "/console/nothing-here"),
];

/// So many links are followed, and so many with the same path.
const MOST: usize = 120;
const MOST_ALIKE: usize = 4;

/// Visits `begin` and all that links lead to, as long as `follow` says so.
pub(crate) fn crawl(
    world: &World,
    page: &Page,
    begin: &[&str],
    follow: impl Fn(&str) -> bool,
    mut look: impl FnMut(&str),
) -> usize {
    let mut known: BTreeSet<String> = begin.iter().map(ToString::to_string).collect();
    let mut next: VecDeque<String> = begin.iter().map(ToString::to_string).collect();
    let mut visited = 0;
    while let Some(place) = next.pop_front() {
        assert!(visited < MOST, "more than {MOST} pages: {known:#?}");
        visited += 1;
        page.go(&world.url(&place)).unwrap();
        look(&place);
        let links = page
            .eval(
                "[...document.querySelectorAll('a[href]')]
                    .filter((link) => link.origin === location.origin && !link.hasAttribute('download'))
                    .map((link) => link.pathname + link.search)",
            )
            .unwrap();
        for link in links.as_array().unwrap() {
            let link = link.as_str().unwrap();
            let path = |link: &str| link.split('?').next().unwrap_or_default().to_owned();
            let alike = known
                .iter()
                .filter(|other| path(other) == path(link))
                .count();
            if alike < MOST_ALIKE && follow(link) && known.insert(link.to_owned()) {
                next.push_back(link.to_owned());
            }
        }
    }
    visited
}

/// What every page must be, whatever it shows.
pub(crate) fn assert_whole(page: &Page, place: &str) {
    let found = page
        .eval(
            "(() => {
                const all = [...document.querySelectorAll('*')];
                const wrong = [];
                const count = (selector) => document.querySelectorAll(selector).length;
                if (count('main') !== 1) wrong.push('main: ' + count('main'));
                if (count('body > header.top') !== 1) wrong.push('header: ' + count('header.top'));
                if (count('h1') !== 1) wrong.push('h1: ' + count('h1'));
                if (count('script') !== 1 || count('head > script[src^=\"/console/assets/\"]') !== 1) wrong.push('script: ' + count('script'));
                if (count('base, iframe, object, embed, meta[http-equiv]')) wrong.push('strange elements');
                const outside = [...document.body.children].map((one) => one.localName).join();
                if (outside !== 'a,header,main') wrong.push('body: ' + outside);
                for (const one of all) {
                    for (const {name, value} of one.attributes) {
                        if (/^on/i.test(name) || name === 'style') wrong.push(one.localName + ' ' + name);
                        if (/^(href|src|action|formaction)$/i.test(name) && !value.startsWith('/console') && !value.startsWith('#'))
                            wrong.push(one.localName + ' ' + name + '=' + value.slice(0, 80));
                    }
                }
                const ids = all.map((one) => one.id).filter(Boolean);
                const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
                if (twice.length) wrong.push('twice: ' + twice);
                if (typeof window.pwned !== 'undefined') wrong.push('a script of somebody else has run');
                if (!document.title.endsWith('Settled')) wrong.push('title: ' + document.title);
                return wrong;
            })()",
        )
        .unwrap();
    assert_eq!(found, serde_json::json!([]), "{place}");
}

/// The page is no wider than the window; what is wide scrolls within it.
pub(crate) fn assert_fits(page: &Page, place: &str, width: u32) {
    let found = page
        .eval(
            "(() => {
                const root = document.documentElement;
                const most = root.clientWidth;
                if (root.scrollWidth <= most && document.body.scrollWidth <= most) return null;
                const scrolls = (one) => one && one !== document.body
                    && (getComputedStyle(one).overflowX !== 'visible' || scrolls(one.parentElement));
                const wide = [...document.body.querySelectorAll('*')]
                    .filter((one) => one.getBoundingClientRect().right > most + 0.5 && !scrolls(one.parentElement));
                return root.scrollWidth + ' > ' + most + ': ' + wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 160)).join(' | ');
            })()",
        )
        .unwrap();
    assert_eq!(found, serde_json::Value::Null, "{place} at {width}");
}
