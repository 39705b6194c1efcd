//! Holds a page against axe-core's rules (WCAG 2.2 A and AA, and its best practices) in every look that we promise.

use std::path::PathBuf;

use serde_json::Value;

use crate::webdriver::Driver;

const LOOKS: [(u32, &str); 4] = [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")];

/// Checks the present page and leaves pictures of it in `target/screenshots`.
pub async fn check(driver: &Driver, name: &str) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let axe = root.join("tests/browser/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&axe).unwrap_or_else(|_| {
        panic!("axe-core is not installed: npm ci --ignore-scripts --prefix tests/browser")
    });
    hold_still(driver).await;
    let mut faults = Vec::new();
    for (width, scheme) in LOOKS {
        driver.look(width, scheme).await;
        driver.picture(&root.join(format!("target/screenshots/{name}-{width}-{scheme}.png"))).await;
        let script = format!(
            "{axe}; const done = arguments[arguments.length - 1];
             axe.run(document, {{ resultTypes: ['violations'] }}).then(
                 (found) => done(found.violations.map((v) => v.id + ': ' + v.help + ' | ' + v.nodes.map((n) => n.html.slice(0, 160)).join(' | '))),
                 (error) => done(['axe failed: ' + error]));"
        );
        let found = driver.run_async(&script).await;
        let found = found.as_array().cloned().unwrap_or_default();
        faults
            .extend(found.iter().filter_map(Value::as_str).map(|fault| format!("{width} {scheme}: {fault}")));
    }
    for width in [320, 360, 1280] {
        driver.look(width, "light").await;
        let wide = driver.run("return document.documentElement.scrollWidth").await;
        if wide.as_u64() > Some(u64::from(width)) {
            faults.push(format!("{width}: the page is {wide} px wide and scrolls sideways"));
        }
    }
    driver.look(1280, "light").await;
    assert!(faults.is_empty(), "{name}: {faults:#?}");
}

/// A page that looks again by itself would go away under the checker, who is slower than a reader.
async fn hold_still(driver: &Driver) {
    let script = "for (let timer = setTimeout(() => {}); timer > 0; timer--) clearTimeout(timer)";
    driver.run(script).await;
}
