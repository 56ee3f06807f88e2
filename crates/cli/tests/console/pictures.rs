//! Pictures of the pages for people to look at, in `target/screenshots/`; each must fit its window.

use settled_test_browser::{Look, Page};

use crate::axe::WIDTHS;
use crate::tour::{FIRST_PAGES, assert_fits, assert_whole};
use crate::world::{ADMIN, World, assert_quiet, log_in, target};

/// Keeps a picture of a page in each light and width.
pub(crate) fn keep(page: &Page, name: &str, language: &str) {
    for width in WIDTHS {
        for dark in [false, true] {
            page.look(Look { width, dark }).unwrap();
            assert_fits(page, name, width);
            let light = if dark { "dark" } else { "light" };
            let file = format!("{name}-{language}-{width}-{light}.png");
            page.picture(&target().join("screenshots").join(file))
                .unwrap();
        }
    }
}

#[test]
fn pictures_of_the_first_pages() {
    let Some(world) = World::start("pictures_of_the_first_pages") else {
        return;
    };
    for language in ["en", "zh-CN"] {
        let (_person, page) = world.stranger(language);
        page.go(&world.url("/console/incidents")).unwrap();
        keep(&page, "login", language);
        log_in(&page, "wrong-token-0123456789");
        keep(&page, "login-refused", language);
        log_in(&page, ADMIN);
        for (name, path) in FIRST_PAGES {
            page.go(&world.url(path)).unwrap();
            assert_whole(&page, path);
            keep(&page, name, language);
        }
        assert_quiet(&page, 0);
    }
}
