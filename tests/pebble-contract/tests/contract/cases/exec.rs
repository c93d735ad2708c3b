//! One-shot commands.

use std::time::Duration;

use juju_charm::pebble::{ChangeSelect, Error, ExecOptions, ExecOutput, FileOptions};

use super::cases;
use crate::backends::{Backend, Fact};
use crate::support::{layer, refusal};

cases![
    "exec":
    both_outputs_and_the_exit_code,
    outputs_can_be_combined,
    a_timeout_is_an_error,
    a_missing_executable_is_refused,
    an_unknown_context_is_refused,
    no_command_is_refused,
    is_a_change,
    input_and_output_of_any_size needs Processes,
    input_after_the_outputs_are_closed needs Processes,
    environment_and_folder needs Processes,
    the_context_of_a_service needs Processes,
    death_by_a_signal needs Processes,
];

fn sh(script: &str) -> ExecOptions {
    ExecOptions::command(["sh", "-c", script])
}

fn output(exit_code: i32, stdout: &str, stderr: &str) -> ExecOutput {
    ExecOutput {
        exit_code,
        stdout: stdout.into(),
        stderr: stderr.into(),
    }
}

fn both_outputs_and_the_exit_code(backend: &dyn Backend) {
    let script = "echo out; echo err >&2; exit 3";
    backend.tell(Fact::Exec {
        command: &["sh", "-c", script],
        output: output(3, "out\n", "err\n"),
    });
    let result = backend.pebble().exec(&sh(script)).unwrap();
    assert_eq!(result, output(3, "out\n", "err\n"));
    assert!(!result.success());
}

fn outputs_can_be_combined(backend: &dyn Backend) {
    let script = "echo out; echo err >&2";
    backend.tell(Fact::Exec {
        command: &["sh", "-c", script],
        output: output(0, "out\n", "err\n"),
    });
    let result = backend
        .pebble()
        .exec(&ExecOptions {
            combine_stderr: true,
            ..sh(script)
        })
        .unwrap();
    assert_eq!(result, output(0, "out\nerr\n", ""));
    assert!(result.success());
}

fn a_timeout_is_an_error(backend: &dyn Backend) {
    backend.tell(Fact::ExecHangs {
        command: &["sleep", "3600"],
    });
    let options = ExecOptions {
        timeout: Some(Duration::from_millis(200)),
        ..ExecOptions::command(["sleep", "3600"])
    };
    let error = backend.pebble().exec(&options).unwrap_err();
    assert!(matches!(&error, Error::Change { .. }), "{error:?}");
    let text = "Execute command \"sleep\" (timed out after 200ms: context deadline exceeded)";
    assert!(error.to_string().ends_with(text), "{error}");
}

fn a_missing_executable_is_refused(backend: &dyn Backend) {
    for command in ["/no/such/executable", "no-such-executable"] {
        backend.tell(Fact::ExecMissing { command: &[command] });
        let (status, message) = refusal(backend.pebble().exec(&ExecOptions::command([command])));
        assert_eq!(
            (status, message),
            (400, format!("cannot find executable \"{command}\""))
        );
    }
}

fn an_unknown_context_is_refused(backend: &dyn Backend) {
    backend.tell(Fact::Exec {
        command: &["true"],
        output: output(0, "", ""),
    });
    let options = ExecOptions {
        service_context: Some("nobody".into()),
        ..ExecOptions::command(["true"])
    };
    let (status, message) = refusal(backend.pebble().exec(&options));
    assert_eq!(
        (status, message.as_str()),
        (400, "context service \"nobody\" not found")
    );
}

fn no_command_is_refused(backend: &dyn Backend) {
    let (status, message) = refusal(backend.pebble().exec(&ExecOptions::default()));
    assert_eq!((status, message.as_str()), (400, "must specify command"));
}

fn is_a_change(backend: &dyn Backend) {
    backend.tell(Fact::Exec {
        command: &["sh", "-c", "exit 1"],
        output: output(1, "", ""),
    });
    backend.pebble().exec(&sh("exit 1")).unwrap();
    let changes = backend.pebble().changes(ChangeSelect::Ready, None).unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    let change = &changes[0];
    assert_eq!(
        (change.kind.as_str(), change.summary.as_str()),
        ("exec", "Execute command \"sh\"")
    );
    assert_eq!(
        (change.status.as_str(), &change.tasks[0].data["exit-code"]),
        ("Done", &1.into())
    );
}

fn input_and_output_of_any_size(backend: &dyn Backend) {
    let stdin: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let result = backend
        .pebble()
        .exec(&ExecOptions {
            stdin: stdin.clone(),
            ..ExecOptions::command(["cat"])
        })
        .unwrap();
    assert_eq!((result.exit_code, result.stdout.len()), (0, stdin.len()));
    assert!(result.stdout == stdin);
    // With no input a command that reads comes to an end.
    assert_eq!(
        backend.pebble().exec(&ExecOptions::command(["cat"])).unwrap(),
        output(0, "", "")
    );
    // Nor does one hang that does not read its input.
    assert_eq!(
        backend
            .pebble()
            .exec(&ExecOptions {
                stdin,
                ..ExecOptions::command(["true"])
            })
            .unwrap(),
        output(0, "", "")
    );
}

fn input_after_the_outputs_are_closed(backend: &dyn Backend) {
    let path = backend.path("received");
    let script = format!("exec >&- 2>&-; exec cat > {}", backend.host_path(&path).display());
    let stdin = vec![7; 2_000_000];
    let result = backend
        .pebble()
        .exec(&ExecOptions {
            stdin: stdin.clone(),
            ..sh(&script)
        })
        .unwrap();
    assert_eq!(result, output(0, "", ""));
    assert!(backend.pebble().read_file(&path).unwrap() == stdin);
}

fn environment_and_folder(backend: &dyn Backend) {
    let folder = backend.path("folder");
    backend
        .pebble()
        .make_dir(&folder, &FileOptions::default())
        .unwrap();
    let options = ExecOptions {
        environment: [("GREETING".to_owned(), "good day, $HOME".to_owned())].into(),
        working_dir: Some(folder.clone()),
        ..sh("pwd; echo \"$GREETING\"; test -n \"$PATH\"")
    };
    let result = backend.pebble().exec(&options).unwrap();
    let lines = String::from_utf8(result.stdout).unwrap();
    let host_folder = std::fs::canonicalize(backend.host_path(&folder)).unwrap();
    let expected = format!("{}\ngood day, $HOME\n", host_folder.display());
    assert!(
        lines == expected || lines == format!("{folder}\ngood day, $HOME\n"),
        "{lines}"
    );
    assert_eq!(result.exit_code, 0);

    let missing = ExecOptions {
        working_dir: Some(backend.path("missing")),
        ..sh("true")
    };
    let (status, message) = refusal(backend.pebble().exec(&missing));
    assert_eq!(status, 500);
    assert!(
        message.starts_with("cannot call exec: working directory \"")
            && message.ends_with("\" does not exist"),
        "{message}"
    );
}

fn the_context_of_a_service(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let web = layer(
        "services: {web: {override: replace, command: sleep 3600, environment: {A: service, B: service}}}",
    );
    pebble.add_layer("web", &web, false).unwrap();
    let options = ExecOptions {
        service_context: Some("web".into()),
        environment: [("B".to_owned(), "own".to_owned())].into(),
        ..sh("echo $A $B")
    };
    assert_eq!(pebble.exec(&options).unwrap(), output(0, "service own\n", ""));
}

fn death_by_a_signal(backend: &dyn Backend) {
    let result = backend.pebble().exec(&sh("kill -9 $$")).unwrap();
    assert_eq!(result.exit_code, 137);
}
