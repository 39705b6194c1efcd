//! What hosts read, the Dockerfile and railway.json, against what there is; and the program alone in an empty, read-only root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::helpers::{
    cluster::Database,
    site::{self, Site, browser},
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What Railway lets stand in the file, for the parts that are used: names, kinds and values as its reference of "config as
/// code" has them. Anything else is a slip of the pen that Railway would pass over.
fn railway_schema() -> Value {
    let seconds = json!({"type": "integer", "minimum": 0, "maximum": 3600});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["build", "deploy"],
        "properties": {
            "$schema": {"const": "https://railway.com/railway.schema.json"},
            "build": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "builder": {"enum": ["RAILPACK", "DOCKERFILE", "NIXPACKS"]},
                    "dockerfilePath": {"type": "string"},
                    "buildCommand": {"type": ["string", "null"]},
                    "watchPatterns": {"type": "array", "items": {"type": "string"}},
                },
            },
            "deploy": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "startCommand": {"type": "string"},
                    "preDeployCommand": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
                    "healthcheckPath": {"type": "string", "pattern": "^/"},
                    "healthcheckTimeout": seconds,
                    "restartPolicyType": {"enum": ["ON_FAILURE", "ALWAYS", "NEVER"]},
                    "restartPolicyMaxRetries": {"type": "integer", "minimum": 0},
                    "numReplicas": {"type": "integer", "minimum": 1},
                    "overlapSeconds": seconds,
                    "drainingSeconds": seconds,
                },
            },
        },
    })
}

#[test]
fn railway_knows_every_name_and_value_of_its_file() {
    let validator = jsonschema::validator_for(&railway_schema()).unwrap();
    let railway: Value = serde_json::from_str(&read("railway.json")).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&railway).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (at, name, value) in [
        ("/deploy", "healthCheckPath", json!("/readyz")),
        ("/deploy", "healthcheckPath", json!("readyz")),
        ("/deploy", "restartPolicyType", json!("on_failure")),
        ("/deploy", "drainingSeconds", json!("15")),
        ("/deploy", "preDeployCommand", json!("jetbridge migrate")),
        ("/build", "builder", json!("DOCKER")),
        ("", "deployment", json!({})),
    ] {
        let mut slip = railway.clone();
        slip.pointer_mut(at).unwrap()[name] = value;
        assert!(!validator.is_valid(&slip), "{at}/{name}");
    }
}

#[test]
fn railway_runs_commands_of_ours_and_gives_them_time() {
    let railway: Value = serde_json::from_str(&read("railway.json")).unwrap();
    let deploy = &railway["deploy"];
    let commands = [&deploy["startCommand"], &deploy["preDeployCommand"][0]];
    assert_eq!(commands, ["/usr/local/bin/jetbridge serve", "/usr/local/bin/jetbridge migrate"]);
    for command in commands {
        let words: Vec<&str> = command.as_str().unwrap().split(' ').collect();
        let known = Command::new(site::program()).args(&words[1..]).arg("--help").output().unwrap();
        assert!(known.status.success(), "{command}");
    }
    // It ends within 10 seconds (tests/it/rollout.rs), and migrations have their time before the port opens.
    assert!(deploy["drainingSeconds"].as_u64().unwrap() > 10);
    assert!(deploy["healthcheckTimeout"].as_u64().unwrap() >= 60);
}

/// The lines of a Dockerfile, continued ones joined, without comments.
fn instructions(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_image_holds_one_program_and_nobody_who_could_run_another() {
    let all = instructions(&read("Dockerfile"));
    let stages: Vec<&[String]> = all.split(|line| line.starts_with("FROM ")).skip(1).collect();
    assert_eq!(stages.len(), 2);
    assert!(all.contains(&"FROM scratch".to_owned()), "the image begins with nothing");
    let (building, image) = (stages[0], stages[1]);
    assert!(building.iter().any(|line| line.contains("+crt-static")), "it would look for C's library");
    for line in building.iter().filter(|line| line.contains("cargo build")) {
        assert!(
            line.contains("--locked") && line.contains("--release") && line.contains("--target"),
            "{line}"
        );
    }
    let only = |name: &str| -> String {
        let found: Vec<&str> = image.iter().filter_map(|line| line.strip_prefix(name)).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].trim().to_owned()
    };
    let copied: Vec<&str> = image.iter().filter_map(|line| line.strip_prefix("COPY --from=build ")).collect();
    assert_eq!(copied, ["/jetbridge /usr/local/bin/jetbridge"]);
    assert!(!image.iter().any(|line| line.starts_with("RUN ") || line.starts_with("ADD ")));
    let user = only("USER ");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id >= 10_000)), "{user}");
    assert_eq!(only("STOPSIGNAL "), "SIGTERM");
    assert_eq!(only("ENTRYPOINT "), r#"["/usr/local/bin/jetbridge"]"#);
    assert_eq!(only("CMD "), r#"["serve"]"#);
    let check = only("HEALTHCHECK ");
    assert!(check.ends_with(r#"CMD ["/usr/local/bin/jetbridge", "health"]"#), "{check}");
    let known = Command::new(site::program()).args(["health", "--help"]).output().unwrap();
    assert!(known.status.success());
    let environment = only("ENV ");
    for setting in ["JETBRIDGE_MODE=production", "BIND_ADDR=0.0.0.0", "LOG_FORMAT=json"] {
        assert!(environment.contains(setting), "{setting}");
    }
}

/// A root with the program and the libraries that this build of it needs, and nothing else.
fn bare_root(at: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(site::program()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    let mut files: Vec<PathBuf> = libraries.map(|path| at.join(path.trim_start_matches('/'))).collect();
    for file in &files {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(Path::new("/").join(file.strip_prefix(at).unwrap()), file).unwrap();
    }
    fs::copy(site::program(), at.join("jetbridge")).unwrap();
    files.push(at.join("jetbridge"));
    files
}

/// Mounts the root over itself, read-only, in a world of mounts of its own, goes inside as nobody in particular, and becomes
/// the program.
const INSIDE: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec chroot --userspec=10001:10001 "$0" /jetbridge serve"#;

#[tokio::test]
async fn it_needs_no_shell_no_file_no_rights_and_writes_nothing() {
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        println!("not tried: this machine lets nobody mount");
        return;
    }
    let dir = std::env::temp_dir().join(format!("jetbridge-root-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    bare_root(&dir);
    let database = Database::fresh().await;
    let (by_tcp, _forwarding) = site::by_tcp(&database.options()).await;
    let world = Site::on(by_tcp).await;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", INSIDE]).arg(&dir).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let mut process = world.start_as(command).await;

    let proc = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", process.pid())).unwrap();
    let ids = proc("status");
    assert!(ids.contains("Uid:\t10001\t10001\t10001\t10001"), "{ids}");
    let roots = proc("mountinfo");
    let root = roots.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
    assert!(root.split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"), "{root}");

    world.outside.stripe.set_webhook_url(process.url().join("/webhooks/stripe").unwrap());
    let session = site::at_stripe(&browser(&process.url()), "alice@example.com").await;
    assert!(session.starts_with("cs_test_"), "{session}");
    let begin = Instant::now();
    process.signal(Signal::SIGTERM);
    let (status, took) = process.ended(begin).await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    database.drop().await;
    fs::remove_dir_all(&dir).unwrap();
}
