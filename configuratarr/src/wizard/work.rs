//! What is done beside the screens: Juju and the cluster are asked, runs are followed, reports are written.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use config_recovery::cluster::Cluster;
use config_recovery::overview::Progress as Bytes;
use config_recovery::shown::shown;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::event::{Effect, Event, Fleet, Followed, SaveError, Ticket};
use crate::cluster;
use crate::commands::Call;
use crate::commands::act::{PATIENCE, Planned, begin, ground};
use crate::commands::look::look;
use crate::plan::{Job, Order, Plan};
use crate::problem::{Kind, Problem, Result};
use crate::run::{Ended, Follow, Journal, Run, Show, Store, follow};

/// All that is under way.
pub struct Work<'a> {
    call: &'a Call<'a>,
    under_way: FuturesUnordered<LocalBoxFuture<'a, ()>>,
    stops: BTreeMap<Ticket, oneshot::Sender<()>>,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    /// Where the last plan was made. It is carried out there, wherever the kubeconfig leads by then.
    place: Rc<RefCell<Option<Place>>>,
}

/// A cluster, and the context that led to it.
#[derive(Clone)]
struct Place {
    cluster: Cluster,
    context: Option<String>,
}

impl<'a> Work<'a> {
    /// Nothing yet.
    pub fn new(call: &'a Call<'a>) -> Self {
        let (sender, events) = unbounded_channel();
        Self {
            call,
            under_way: FuturesUnordered::new(),
            stops: BTreeMap::new(),
            sender,
            events,
            place: Rc::default(),
        }
    }

    /// Begins what is to be done. What comes of it is an event.
    pub fn begin(&mut self, effect: Effect) {
        let call = self.call;
        match effect {
            Effect::Look => self.then(async move { Event::Looked(fleet(call).await.map(Box::new)) }),
            Effect::Plan(ticket, order) => {
                let place = Rc::clone(&self.place);
                self.then(async move { Event::Planned(ticket, plan(call, &order, &place).await) });
            }
            Effect::Preview(ticket, plan) => {
                let juju = call.juju.of_model(plan.juju_model.clone());
                let place = self.place.borrow().clone();
                self.follow(ticket, Source::Plan(Box::new(plan.preview(&juju)), place));
            }
            Effect::CarryOut(ticket, plan) => {
                let place = self.place.borrow().clone();
                self.follow(ticket, Source::Plan(Box::new(plan), place));
            }
            Effect::Resume(ticket, id) => self.follow(ticket, Source::Run(id)),
            Effect::Stop(ticket) => {
                if let Some(stop) = self.stops.remove(&ticket) {
                    // Nobody hears it any more: then it is at its end already.
                    let _ = stop.send(());
                }
            }
            Effect::Save {
                path,
                text,
                overwrite,
            } => {
                let saved = save(&path, &text, overwrite);
                self.then(async move { Event::Saved(saved) });
            }
            // The loop's.
            Effect::Quit => {}
        }
    }

    /// What happens next.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return event,
                Some(()) = self.under_way.next() => {}
            }
        }
    }

    fn then(&mut self, work: impl Future<Output = Event> + 'a) {
        let sender = self.sender.clone();
        let work = async move {
            // Nobody hears it: the wizard has gone.
            let _ = sender.send(work.await);
        };
        self.under_way.push(work.boxed_local());
    }

    fn follow(&mut self, ticket: Ticket, from: Source) {
        let (stop, stopped) = oneshot::channel();
        self.stops.insert(ticket, stop);
        let told = Told {
            ticket,
            sender: self.sender.clone(),
        };
        let call = self.call;
        self.then(async move {
            let over = followed(call, from, told, stopped).await;
            Event::Followed(ticket, Followed::Over(over))
        });
    }
}

/// How the apps stand, and which runs are not at their end.
async fn fleet(call: &Call<'_>) -> Result<Fleet, Vec<Problem>> {
    let looked = look(call).await?;
    let store = Store::of_user();
    Ok(Fleet {
        model: looked.model,
        apps: looked.apps,
        unavailable: looked
            .locations
            .into_iter()
            .filter(|location| location.is_available == Some(false))
            .collect(),
        problems: looked
            .juju_problem
            .into_iter()
            .chain(looked.cluster_problem)
            .collect(),
        unfinished: store.map_or_else(
            |_| Vec::new(),
            |store| store.all().into_iter().filter(Run::is_open).collect(),
        ),
    })
}

async fn plan(call: &Call<'_>, order: &Order, place: &RefCell<Option<Place>>) -> Result<Plan> {
    let ground = ground(call).await?;
    // Until it is confirmed and carried out another model may become the current one, and another context.
    let plan = order.plan(ground.known())?;
    place.replace(Some(Place {
        cluster: ground.cluster,
        context: ground.context,
    }));
    Ok(plan)
}

/// What is followed.
enum Source {
    /// A plan, from its beginning, and where it was made.
    Plan(Box<Plan>, Option<Place>),
    /// The run of this name.
    Run(String),
}

async fn followed(
    call: &Call<'_>,
    from: Source,
    mut told: Told,
    stopped: oneshot::Receiver<()>,
) -> Result<(Box<Run>, Ended)> {
    let is_resumed = matches!(from, Source::Run(_));
    let (journal, cluster) = match from {
        Source::Plan(plan, place) => {
            let nowhere = || Problem::bare(Kind::Failed, "nothing says where this was planned");
            let Place { cluster, context } = place.ok_or_else(nowhere)?;
            let planned = Planned {
                plan: *plan,
                cluster,
                context,
            };
            let (journal, cluster) = begin(call, planned).await?;
            (journal, Some(cluster))
        }
        Source::Run(id) => {
            let connected = cluster::connect(call.global).await;
            let journal = Store::of_user()?.open(Some(&id))?;
            // Without the cluster it is followed all the same; it tells only bytes.
            let cluster = connected.map_err(|problem| told.note(&problem.text)).ok();
            (journal, cluster)
        }
    };
    let mut kept = Kept(Some(journal));
    let Some(journal) = &mut kept.0 else {
        return Err(Problem::bare(Kind::Failed, "there is nothing to follow"));
    };
    told.tell(Followed::Began(Box::new(journal.run().clone())));
    // The run names its model, whatever the current one is.
    let juju = call.juju.of_model(journal.run().plan.juju_model.clone());
    let cluster = match is_resumed {
        true => {
            let run = journal.run();
            match run.is_at_home(&juju, cluster, call.global, &mut told).await {
                Ok(cluster) => cluster,
                Err((problem, resume)) => {
                    return Ok((Box::new(run.clone()), Ended::Elsewhere(problem, resume)));
                }
            }
        }
        false => cluster,
    };
    let how = Follow {
        juju: &juju,
        cluster: cluster.as_ref(),
        tick: Duration::from_millis(call.global.tick),
        patience: PATIENCE,
        silence: Duration::from_millis(call.global.silence),
    };
    let ended = follow(journal, &how, &mut told, stopped.map(drop)).await?;
    Ok((Box::new(journal.run().clone()), ended))
}

/// What is written down of a run. Of a preview nothing stays, also when the wizard is left in the middle: nobody has to go on with it.
struct Kept(Option<Journal>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(journal) = self.0.take()
            && journal.run().plan.job == Job::Preview
        {
            journal.forget();
        }
    }
}

/// Tells the wizard how a run goes on.
struct Told {
    ticket: Ticket,
    sender: UnboundedSender<Event>,
}

impl Told {
    fn tell(&self, what: Followed) {
        // Nobody hears it: the wizard has gone.
        let _ = self.sender.send(Event::Followed(self.ticket, what));
    }
}

impl Show for Told {
    fn said(&mut self, item: usize, text: &str) {
        self.tell(Followed::Said(item, text.to_owned()));
    }

    fn bytes(&mut self, item: usize, bytes: Bytes) {
        self.tell(Followed::Bytes(item, bytes));
    }

    fn ended(&mut self, item: usize, is_well: bool, text: &str) {
        self.tell(Followed::Ended(item, is_well, text.to_owned()));
    }

    fn note(&mut self, text: &str) {
        self.tell(Followed::Note(text.to_owned()));
    }
}

/// Writes a report. What is there is replaced only when that was said.
fn save(typed: &str, text: &str, overwrite: bool) -> Result<PathBuf, SaveError> {
    let path = match (typed.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(typed),
    };
    let mut options = OpenOptions::new();
    options.write(true);
    match overwrite {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let written = options
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => {
            Err(SaveError::Exists(path))
        }
        Err(error) => Err(SaveError::Failed(Problem::new(
            Kind::Failed,
            format!("cannot write {}: {error}", shown(&path.display().to_string())),
            "name another file",
        ))),
    }
}
