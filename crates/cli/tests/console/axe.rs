//! Nothing keeps people out: axe-core on every page, light and dark, wide and narrow.

use settled_test_browser::{Axe, Look, Page};
use settled_test_servers::skip;

use crate::sagas::stuck;
use crate::tour::FIRST_PAGES;
use crate::world::{ADMIN, World, assert_quiet, log_in, target};

pub(crate) const WIDTHS: [u32; 2] = [1280, 400];

/// axe-core, or none, said.
pub(crate) fn axe(test: &str) -> Option<Axe> {
    match Axe::find(&target()) {
        Ok(axe) => Some(axe),
        Err(why) => {
            skip(test, &why);
            None
        }
    }
}

/// The page hears of its new width with its next picture, and does with it what is to be done.
const SETTLED_DOWN: &str = "Promise.race([
    new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(() => seen(true)))),
    new Promise((over) => setTimeout(() => over(false), 500)),
])";

/// Collects what is serious of a page in each light and width.
pub(crate) fn look_at(axe: &Axe, page: &Page, name: &str, found: &mut Vec<String>) {
    for width in WIDTHS {
        for dark in [false, true] {
            page.look(Look { width, dark }).unwrap();
            page.eval(SETTLED_DOWN).unwrap();
            for one in axe.look_at(page).unwrap() {
                if one.is_serious() {
                    let light = if dark { "dark" } else { "light" };
                    found.push(format!(
                        "{name} {width} {light}: {} {}",
                        one.rule, one.detail
                    ));
                }
            }
        }
    }
}

#[test]
fn nothing_serious_on_the_first_pages() {
    let test = "nothing_serious_on_the_first_pages";
    let Some(axe) = axe(test) else { return };
    let Some(world) = World::start(test) else {
        return;
    };
    let mut found = Vec::new();
    let (_person, page) = world.stranger("zh-CN");
    page.go(&world.url("/console/incidents")).unwrap();
    look_at(&axe, &page, "login", &mut found);
    log_in(&page, "wrong-token-0123456789");
    look_at(&axe, &page, "login-refused", &mut found);
    log_in(&page, ADMIN);
    stuck(&world, "order-1");
    page.go(&world.url("/console/incidents")).unwrap();
    look_at(&axe, &page, "incidents", &mut found);
    for (name, path) in FIRST_PAGES {
        page.go(&world.url(path)).unwrap();
        look_at(&axe, &page, name, &mut found);
    }
    assert_quiet(&page, 0);
    assert!(found.is_empty(), "{found:#?}");
}
