//! The programs that tests are in.

use std::path::Path;

use super::files;

/// Whether a crate has a program of tests of this name: a file, a folder, or the one that its manifest names.
pub fn has_test(repository: &Path, name: &str) -> bool {
    let all = files::tracked(repository).unwrap();
    let endings = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")];
    let program = format!("[[test]]\nname = \"{name}\"\n");
    all.iter().any(|path| {
        let is_manifest = || path.ends_with("Cargo.toml");
        let names_it = || read(repository, path).contains(&program);
        endings.iter().any(|ending| path.ends_with(ending.as_str())) || (is_manifest() && names_it())
    })
}

fn read(repository: &Path, path: &str) -> String {
    std::fs::read_to_string(repository.join(path)).unwrap()
}

/// In a crate whose tests are one program, a file that the program does not name would not be run.
#[test]
fn every_file_of_tests_is_named_in_its_program() {
    let repository = crate::generate::repository().unwrap();
    let all = files::tracked(&repository).unwrap();
    let mut found = 0;
    for manifest in all.iter().filter(|path| path.ends_with("Cargo.toml")) {
        if !read(&repository, manifest).contains("\nautotests = false\n") {
            continue;
        }
        let tests = format!("{}tests/", manifest.trim_end_matches("Cargo.toml"));
        let program = read(&repository, &format!("{tests}main.rs"));
        for entry in repository.join(&tests).read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(part) = name.strip_suffix(".rs").filter(|part| *part != "main") {
                assert!(program.contains(&format!("\nmod {part};\n")), "{tests}{name}");
                found += 1;
            }
        }
    }
    assert!(found > 50, "{found}");
}
