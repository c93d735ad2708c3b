//! A pseudo-terminal, what a person would see in it, and a program that has it as its own.
//!
//! The tests of the library use it too, which know no `CARGO_BIN_EXE`, and the test bed.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// Between two looks at something that is waited for: a thread that only yields takes a processor from what it waits for.
const PAUSE: Duration = Duration::from_millis(2);

/// After so long a test gives up, unless it says otherwise: it has to do with the machine's load, and with nothing that is tested.
const LIMIT: Duration = Duration::from_secs(60);

/// What is on the screen before the program has it.
pub const BEFORE: &str = "user@home:~$ configuratarr";

/// A terminal with a program.
pub struct Terminal {
    /// The person's side.
    person: OwnedFd,
    /// The program's side, kept open: what it was set to is seen after the program has gone.
    program: OwnedFd,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    child: Child,
    before: Termios,
    limit: Duration,
}

struct Screen {
    parser: vt100::Parser,
    /// All that came.
    bytes: Vec<u8>,
}

impl Terminal {
    /// Starts a program in a terminal of this size, as the only one of a session that the terminal controls: as a shell would.
    pub fn start(command: &Command, size: (u16, u16)) -> Self {
        Self::start_as(command, size, "xterm-256color")
    }

    /// The same in a terminal that says to be this one.
    pub fn start_as(command: &Command, (columns, rows): (u16, u16), kind: &str) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let path = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let open = || {
            // Not this process's own terminal: it must not get its signals.
            let mut options = File::options();
            options.read(true).write(true);
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, OpenptFlags::NOCTTY.bits() as i32);
            options.open(&path).unwrap()
        };
        let mut shell = open();
        tcsetwinsize(&person, size(columns, rows)).unwrap();
        let before = tcgetattr(&shell).unwrap();
        let screen = Arc::new((
            Mutex::new(Screen {
                parser: vt100::Parser::new(rows, columns, 0),
                bytes: Vec::new(),
            }),
            Condvar::new(),
        ));
        let reader = File::from(person.try_clone().unwrap());
        std::thread::spawn({
            let screen = Arc::clone(&screen);
            move || read(reader, &screen)
        });
        shell.write_all(BEFORE.as_bytes()).unwrap();
        shell.write_all(b"\n").unwrap();
        let mut in_session = Command::new("/usr/bin/setsid");
        in_session.arg("--ctty").arg(command.get_program());
        in_session.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            in_session.env(name, value.unwrap());
        }
        if let Some(folder) = command.get_current_dir() {
            in_session.current_dir(folder);
        }
        let child = in_session
            .env("TERM", kind)
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        Self {
            person,
            program: shell.into(),
            screen,
            child,
            before,
            limit: LIMIT,
        }
    }

    /// Waits for so long from now on.
    pub fn patient(&mut self, limit: Duration) -> &mut Self {
        self.limit = limit;
        self
    }

    /// Types.
    pub fn types(&mut self, keys: &str) -> &mut Self {
        let mut person = File::from(self.person.try_clone().unwrap());
        person.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Makes it larger or smaller.
    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.screen
            .0
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(rows, columns);
        tcsetwinsize(&self.person, size(columns, rows)).unwrap();
        self
    }

    /// Waits until this is seen, wherever its lines break and however wide its columns are.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> &mut Self {
        let text = squeezed(text);
        self.until(&format!("{text:?}"), |seen| squeezed(seen).contains(&text))
    }

    /// Waits until this is not seen any more.
    #[track_caller]
    pub fn shows_no(&mut self, text: &str) -> &mut Self {
        let text = squeezed(text);
        self.until(&format!("no {text:?}"), |seen| !squeezed(seen).contains(&text))
    }

    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> &mut Self {
        let begin = Instant::now();
        let (screen, changed) = &*self.screen;
        let mut screen = screen.lock().unwrap();
        loop {
            let seen = screen.parser.screen().contents();
            if is_so(&seen) {
                break;
            }
            let left = self.limit.saturating_sub(begin.elapsed());
            assert!(!left.is_zero(), "waited for {what}, and saw\n{seen}");
            screen = changed.wait_timeout(screen, left).unwrap().0;
        }
        drop(screen);
        self
    }

    /// What is seen.
    pub fn seen(&self) -> String {
        self.screen.0.lock().unwrap().parser.screen().contents()
    }

    /// So many bytes came from the program.
    pub fn bytes(&self) -> usize {
        self.screen.0.lock().unwrap().bytes.len()
    }

    /// So many frames were drawn: ratatui hides the cursor after each.
    pub fn frames(&self) -> usize {
        let hide = b"\x1b[?25l";
        let screen = self.screen.0.lock().unwrap();
        screen
            .bytes
            .windows(hide.len())
            .filter(|part| part == hide)
            .count()
    }

    /// Whether anything that is seen has a colour of its own.
    pub fn has_colors(&self) -> bool {
        let screen = self.screen.0.lock().unwrap();
        let screen = screen.parser.screen();
        let (rows, columns) = screen.size();
        (0..rows).any(|row| {
            let mut cells = (0..columns).filter_map(|column| screen.cell(row, column));
            cells.any(|cell| {
                (cell.fgcolor(), cell.bgcolor()) != (vt100::Color::Default, vt100::Color::Default)
            })
        })
    }

    /// Waits until more than so many bytes have come from the program.
    #[track_caller]
    pub fn until_more(&mut self, bytes: usize) -> &mut Self {
        let (screen, changed) = &*self.screen;
        let mut screen = screen.lock().unwrap();
        let begin = Instant::now();
        while screen.bytes.len() <= bytes {
            let left = self.limit.saturating_sub(begin.elapsed());
            let seen = screen.parser.screen().contents();
            assert!(!left.is_zero(), "nothing more came: {seen}");
            screen = changed.wait_timeout(screen, left).unwrap().0;
        }
        drop(screen);
        self
    }

    /// The process.
    pub fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the program's end.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begin.elapsed() < self.limit,
                "it does not end, and shows\n{}",
                self.seen()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Asserts that the terminal is as it was: what was seen before is seen, the cursor too, and lines are edited by the terminal.
    #[track_caller]
    pub fn is_as_it_was(&mut self) -> &mut Self {
        self.shows(BEFORE);
        {
            let screen = self.screen.0.lock().unwrap();
            let screen = screen.parser.screen();
            assert!(
                !screen.alternate_screen(),
                "the program's own screen is still there"
            );
            assert!(!screen.hide_cursor(), "the cursor is hidden");
        }
        let now = tcgetattr(self.program.as_fd()).unwrap();
        let modes = |termios: &Termios| {
            (
                termios.input_modes,
                termios.output_modes,
                termios.local_modes,
                termios.control_modes,
            )
        };
        assert_eq!(modes(&now), modes(&self.before));
        self
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn read(mut from: File, screen: &(Mutex<Screen>, Condvar)) {
    let mut buffer = [0; 4096];
    // It ends with an error when nobody has the program's side any more.
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut state = screen.0.lock().unwrap();
        state.parser.process(&buffer[..count]);
        state.bytes.extend(&buffer[..count]);
        drop(state);
        screen.1.notify_all();
    }
}
