//! Somebody else's platform: a line in, a line out, books of its own, and bad manners. It takes each
//! call for a new one, so that a call that is made twice puts the goods on the shelf twice.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The platform, open for calls until the program ends.
pub(crate) struct Platform {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

/// What the platform knows.
#[derive(Default)]
pub(crate) struct Books {
    /// The goods that were put on the shelf, in order.
    pub(crate) shelf: Vec<String>,
    /// The goods that it was called for, in order.
    pub(crate) calls: Vec<String>,
    /// How often it was asked.
    pub(crate) asks: u32,
    /// Listings by the operation's number.
    operations: HashMap<String, String>,
    /// Whoever is calling.
    caller: Option<Child>,
}

impl Platform {
    pub(crate) fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let books = Arc::<Mutex<Books>>::default();
        let shared = Arc::clone(&books);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let books = Arc::clone(&shared);
                // A caller that is gone is of no concern to the platform.
                std::thread::spawn(move || drop(serve(&books, caller)));
            }
        });
        Ok(Self { address, books })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        open(&self.books)
    }

    /// Passes on what the caller says until it has ended, which may be the platform's own doing.
    pub(crate) fn wait_for(&self, mut caller: Child) -> std::io::Result<ExitStatus> {
        let said = caller.stdout.take();
        self.books().caller = Some(caller);
        for line in said
            .into_iter()
            .flat_map(|said| BufReader::new(said).lines())
        {
            println!("{}", line?);
        }
        let caller = self.books().caller.take();
        caller.ok_or(ErrorKind::NotFound)?.wait()
    }
}

fn open(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call: a line in, a line out.
fn serve(books: &Mutex<Books>, caller: TcpStream) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(&caller), &caller);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["isOperated", number] => {
            let listing = {
                let mut books = open(books);
                books.asks += 1;
                books.operations.get(*number).cloned()
            };
            writeln!(writer, "{}", listing.as_deref().unwrap_or("no"))
        }
        ["shelve", number, goods] => {
            let is_first = !open(books).calls.iter().any(|called| called == goods);
            open(books).calls.push((*goods).to_owned());
            if *goods == "tray" && is_first {
                // It does nothing at all, until the caller has had enough.
                reader.read_line(&mut line)?;
                return Ok(());
            }
            let listing = open(books).shelve(number, goods);
            match *goods {
                // It did it, and the answer is lost: it hangs up.
                "lamp" if is_first => return Ok(()),
                // It did it, and the caller is killed before it can hear so.
                "mug" if is_first => {
                    if let Some(caller) = &mut open(books).caller {
                        caller.kill()?;
                    }
                }
                _ => {}
            }
            writeln!(writer, "{listing}")
        }
        _ => writeln!(writer, "what?"),
    }
}

impl Books {
    fn shelve(&mut self, number: &str, goods: &str) -> String {
        self.shelf.push(goods.to_owned());
        let listing = format!("listing-{}", self.shelf.len());
        self.operations.insert(number.to_owned(), listing.clone());
        listing
    }
}
