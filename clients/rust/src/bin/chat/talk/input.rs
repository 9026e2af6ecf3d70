//! Keyboard and screen. At a terminal, lines are edited while others arrive above them; from a pipe,
//! lines are read and printed as they are.

use std::{
    io::{self, BufRead, IsTerminal},
    thread,
};

use chatcluster_client::protocol::id::UserId;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::{DefaultEditor, ExternalPrinter, config::Configurer, error::ReadlineError};
use tokio::sync::mpsc;

use super::command::Command;
use crate::{failure::Failure, text};

/// Typed commands that are not carried out yet; then the keyboard waits.
const TYPED: usize = 16;

/// Lines that are not on the screen yet; then the conversation waits.
const SHOWN: usize = 64;

/// Where lines come from.
pub(super) enum Input {
    Terminal(Box<DefaultEditor>),
    Pipe,
}

/// Where lines go.
pub(super) enum Screen {
    /// A thread prints: the editor takes a line only while it edits, and until then its queue of one
    /// line would hold up whoever prints.
    Terminal {
        lines: mpsc::Sender<String>,
        printer: thread::JoinHandle<()>,
    },
    Pipe,
}

/// Sets the terminal back when it goes: whoever leaves while the editor reads would leave it raw.
pub(super) struct Sane(Option<Termios>);

impl Drop for Sane {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

impl Input {
    pub(super) fn open() -> Result<Self, Failure> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok(Self::Pipe);
        }
        let mut editor = DefaultEditor::new().map_err(terminal)?;
        editor.set_auto_add_history(true);
        Ok(Self::Terminal(Box::new(editor)))
    }

    /// Asks for a name until there is a valid one. `option` is how else to give it.
    pub(super) fn ask_name(&mut self, question: &str, option: &str) -> Result<UserId, Failure> {
        let Self::Terminal(editor) = self else {
            return Err(Failure::Usage(format!(
                "{option} is needed: there is no terminal to ask at"
            )));
        };
        loop {
            let line = editor.readline(question).map_err(terminal)?;
            match UserId::new(line.trim()) {
                Ok(name) => return Ok(name),
                Err(error) => text::complain(&error.to_string()),
            }
        }
    }

    /// Begins to read. The commands end when the input does.
    pub(super) fn start(
        self,
        to: &UserId,
    ) -> Result<(mpsc::Receiver<Command>, Screen, Sane), Failure> {
        let (typed, commands) = mpsc::channel(TYPED);
        let Self::Terminal(mut editor) = self else {
            thread::spawn(move || read_pipe(&typed));
            return Ok((commands, Screen::Pipe, Sane(None)));
        };
        let sane = Sane(tcgetattr(io::stdin()).ok());
        let printer = editor.create_external_printer().map_err(terminal)?;
        let to = to.clone();
        thread::spawn(move || read_terminal(*editor, to, &typed));
        Ok((commands, Screen::terminal(printer), sane))
    }
}

/// The prompt changes here and not in the conversation, so that the next line can be read at once:
/// while no line is read, the printer may be stuck.
fn read_terminal(mut editor: DefaultEditor, mut to: UserId, typed: &mpsc::Sender<Command>) {
    loop {
        let command = match editor.readline(&format!("{to}> ")) {
            Ok(line) => Command::parse(&line),
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => return,
            Err(error) => return text::complain(&format!("the terminal: {error}")),
        };
        if let Command::To(next) = &command {
            to = next.clone();
        }
        let last = command == Command::Quit;
        if typed.blocking_send(command).is_err() || last {
            return;
        }
    }
}

fn read_pipe(typed: &mpsc::Sender<Command>) {
    for line in io::stdin().lock().lines() {
        match line {
            Ok(line) => {
                if typed.blocking_send(Command::parse(&line)).is_err() {
                    return;
                }
            }
            Err(error) => return text::complain(&format!("standard input: {error}")),
        }
    }
}

impl Screen {
    fn terminal(mut printer: impl ExternalPrinter + Send + 'static) -> Self {
        let (lines, mut queue) = mpsc::channel::<String>(SHOWN);
        let printer = thread::spawn(move || {
            while let Some(line) = queue.blocking_recv() {
                // The editor may have ended, as after Ctrl-D.
                if printer.print(format!("{line}\n")).is_err() && text::line(&line).is_err() {
                    return;
                }
            }
        });
        Self::Terminal { lines, printer }
    }

    pub(super) async fn line(&self, line: &str) -> Result<(), Failure> {
        match self {
            Self::Pipe => text::line(line).map_err(Failure::io("standard output")),
            Self::Terminal { lines, .. } => {
                let gone = |_| Failure::Failed("the terminal is gone".into());
                lines.send(line.to_owned()).await.map_err(gone)
            }
        }
    }

    /// Waits until everything is on the screen.
    pub(super) fn finish(self) {
        if let Self::Terminal { lines, printer } = self {
            drop(lines);
            // A panic there was reported there.
            let _ = printer.join();
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // as map_err wants it
fn terminal(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Interrupted | ReadlineError::Eof => {
            Failure::Usage("nothing was entered".into())
        }
        error => Failure::Failed(format!("the terminal: {error}")),
    }
}
