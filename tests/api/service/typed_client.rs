//! A TypeScript client, made from the OpenAPI document.

use std::path::Path;

use crate::harness::{node, on_both_databases};

/// The example of docs/api.md.
fn example(root: &Path) -> String {
    let page = std::fs::read_to_string(root.join("docs/api.md")).expect("the page");
    let (_, rest) = page.split_once("```ts\n").expect("an example");
    rest.split_once("```").expect("its end").0.to_owned()
}

on_both_databases! {
    async fn a_typed_client_does_what_a_shop_does(app: App) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scratch = tempfile::tempdir().expect("a folder");
        let file = |name: &str| scratch.path().join(name).to_str().expect("UTF-8").to_owned();
        std::fs::write(file("package.json"), r#"{"type": "module"}"#).expect("a file");
        std::fs::write(file("shop.ts"), example(root)).expect("a file");
        std::fs::copy(root.join("tests/js/client.ts"), file("client.ts")).expect("a file");
        std::os::unix::fs::symlink(root.join("tests/js/node_modules"), file("node_modules")).expect("a link");
        let document = root.join("docs/openapi.json");
        let document = document.to_str().expect("UTF-8");
        node("node_modules/openapi-typescript/bin/cli.js", &[document, "--output", &file("api.ts")]).await;
        let options = ["--strict", "--target", "es2022", "--module", "nodenext", "--noEmitOnError"];
        node("node_modules/typescript/bin/tsc", &[&options[..], &[&file("client.ts")]].concat()).await;
        let done = node(&file("client.js"), &[&format!("http://{}", app.address), "ada@example.com"]).await;
        assert_eq!(done.trim(), "done");
    }
}
