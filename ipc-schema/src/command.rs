//! The table of commands. One row makes the request variant, the reply type, the name and the access level.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Job, JobId, JobOptions, JobState, Priority, TrackId, library::*, model::*, status::*, store::*,
    watch::*,
};

/// Who may send a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Whoever may connect; sees what is theirs.
    Anyone,
    /// The job's owner, or an administrator. To everybody else the job does not exist.
    Owner,
    /// root, the daemon's own user, and the users that the configuration names.
    Admin,
}

/// How a command's conversation goes on after its request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// One reply line.
    Call,
    /// A `ready` line, frames from the client, then the reply line.
    Upload,
    /// The reply line, then frames from the daemon.
    Download,
    /// Event lines until either side closes.
    Stream,
    /// Lines that tell of progress, then the reply line. A client that leaves before that ends the work.
    Progress,
}

/// A command of the protocol: a request with its type of reply.
pub trait Command: Into<Request> {
    /// What comes back.
    type Reply;
    /// The row of the table.
    const INFO: CommandInfo;
    /// Takes the reply out of its envelope; `None` when it is another command's.
    fn reply(reply: Reply) -> Option<Self::Reply>;
}

/// A row of the table of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CommandInfo {
    /// The word on the wire.
    pub name: &'static str,
    /// Who may send it.
    pub access: Access,
    /// How the conversation goes on.
    pub flow: Flow,
    /// What it does, for people.
    pub doc: &'static str,
}

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $name:literal $command:ident $access:ident $flow:ident => $reply:ident($type:ty);)+) => {
        /// A request line, tagged by `command`. Unknown fields are refused.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "command")]
        pub enum Request {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $command($command),)+
        }

        impl Request {
            /// The row of the table.
            pub fn info(&self) -> CommandInfo {
                match self { $(Self::$command(_) => $command::INFO,)+ }
            }
        }

        /// Every command.
        pub const COMMANDS: &[CommandInfo] = &[$($command::INFO),+];

        $(
            impl From<$command> for Request {
                fn from(command: $command) -> Self {
                    Self::$command(command)
                }
            }

            impl Command for $command {
                type Reply = $type;
                const INFO: CommandInfo = CommandInfo {
                    name: $name, access: Access::$access, flow: Flow::$flow, doc: concat!($($doc),+),
                };
                fn reply(reply: Reply) -> Option<$type> {
                    match reply { Reply::$reply(reply) => Some(reply), _ => None }
                }
            }
        )+
    };
}

commands! {
    /// Agrees on the protocol. Optional: the daemon's greeting says its protocol already.
    "hello" Hello Anyone Call => Hello(Greeting);
    /// What the daemon is and how it is.
    "status" Status Anyone Call => Status(DaemonStatus);
    /// Checks everything that the daemon needs and names what is missing, with its remedy.
    "doctor" Doctor Anyone Call => Doctor(Report);
    /// Submits a song: the client sends its bytes. The job is durable once the reply is there.
    "submit" Submit Anyone Upload => Job(Job);
    /// Submits the song of an earlier job once more, for the user whose job that was.
    "again" Again Owner Call => Job(Job);
    /// Lists jobs, the newest first.
    "jobs" ListJobs Anyone Call => Jobs(JobList);
    /// One job.
    "show" Show Owner Call => Job(Job);
    /// Streams the jobs' state, then its changes.
    "watch" Watch Anyone Stream => Done(Done);
    /// Stops a job and removes its files; the record stays. Replies once it has stopped.
    "cancel" Cancel Owner Call => Job(Job);
    /// Holds a job where it is, at its last checkpoint if it runs, until it is resumed. Replies once it has stopped.
    "pause" Pause Owner Call => Job(Job);
    /// Lets a job that was held go on.
    "resume" Resume Owner Call => Job(Job);
    /// Changes which of the waiting jobs goes first.
    "prioritise" Prioritise Owner Call => Job(Job);
    /// Lets no further stage of any job begin; those that run go on to their end. Survives a restart.
    "queue_pause" QueuePause Admin Call => Done(Done);
    /// Lets the queue go on.
    "queue_resume" QueueResume Admin Call => Done(Done);
    /// Removes a job and everything of it; cancels it first if it runs.
    "delete" Delete Owner Call => Done(Done);
    /// Gives a job another name for people; files that were handed out keep theirs.
    "rename" Rename Owner Call => Job(Job);
    /// A job with everything that can be counted about it.
    "report" ShowReport Owner Call => Report(JobReport);
    /// How long a song would take, learned from the jobs before it.
    "estimate" AskEstimate Anyone Call => Estimate(Estimate);
    /// Sends an output of a completed job, or its manifest.
    "fetch" Fetch Owner Download => File(FileHead);
    /// The caller's songs, newest first.
    "library" ListTracks Anyone Call => Tracks(TrackList);
    /// One song with its jobs.
    "track" ShowTrack Owner Call => Track(Track);
    /// Changes what is known of a song: name, tags, favourite, archived. No file moves.
    "track_edit" EditTrack Owner Call => Track(Track);
    /// Removes a song and every job of it.
    "track_purge" PurgeTrack Owner Call => Done(Done);
    /// What was done lately, newest first.
    "activity" ListActivity Anyone Call => Activity(ActivityLog);
    /// Jobs, songs, bytes, and what was learned about speed.
    "stats" ShowStats Anyone Call => Stats(Stats);
    /// Sends what is final of an output while its job runs: a WAV of 32-bit floats at the model's rate, as the model made
    /// it. Of a completed job the output itself.
    "listen" Listen Owner Download => Excerpt(ExcerptHead);
    /// The watched folders that the caller's jobs come from, and how each is.
    "watches" Watches Anyone Call => Watches(WatchList);
    /// The models of the catalogue, and which of them are installed.
    "models" Models Anyone Call => Models(ModelList);
    /// One model with its licence and its files.
    "model" ShowModel Anyone Call => Model(ModelDetails);
    /// Downloads what is missing of a model. A download that broke off goes on where it was.
    "model_pull" ModelPull Admin Progress => Model(ModelDetails);
    /// Installs one file of a model: the client sends its bytes.
    "model_import" ModelImport Admin Upload => Model(ModelDetails);
    /// Hashes the files of models again. What is damaged is set aside, and the model is not installed any more.
    "model_verify" ModelVerify Admin Call => Verified(ModelReport);
    /// Removes the files of a model. That its licence was accepted stays known.
    "model_remove" ModelRemove Admin Call => Done(Done);
    /// What is kept of earlier jobs so that it need not be computed again.
    "cache" ShowCache Anyone Call => Cache(CacheUsage);
    /// Forgets all of that; no job loses anything.
    "cache_clear" ClearCache Admin Call => Cache(CacheUsage);
    /// Sends every record of the store as JSON lines.
    "store_export" ExportStore Admin Download => File(FileHead);
    /// Fills the store with what `store_export` sent: the client sends its bytes. All or nothing.
    "store_import" ImportStore Admin Upload => StoreImported(StoreImported);
    /// Reads every record, and looks at the files that the records speak of.
    "store_check" CheckStore Admin Call => StoreReport(StoreReport);
    /// Writes a backup beside the store, as the daemon does once a day.
    "store_backup" BackUpStore Admin Call => StoreBackup(StoreBackup);
    /// The configuration that is in force, as TOML.
    "config_show" ConfigShow Admin Call => Config(ConfigText);
    /// Checks a configuration file's text without using it.
    "config_check" ConfigCheck Anyone Call => Done(Done);
}

/// A reply line, tagged by `reply`. A reader ignores fields that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The greeting, and the reply to `hello`.
    Hello(Greeting),
    /// See [`Status`].
    Status(DaemonStatus),
    /// See [`Doctor`].
    Doctor(Report),
    /// An upload may begin.
    Ready(Ready),
    /// One job.
    Job(Job),
    /// Some jobs.
    Jobs(JobList),
    /// See [`ShowReport`].
    Report(JobReport),
    /// See [`AskEstimate`].
    Estimate(Estimate),
    /// Some songs.
    Tracks(TrackList),
    /// One song.
    Track(Track),
    /// See [`ListActivity`].
    Activity(ActivityLog),
    /// See [`ShowStats`].
    Stats(Stats),
    /// Frames of a file follow.
    File(FileHead),
    /// See [`Watches`].
    Watches(WatchList),
    /// Frames of an output follow.
    Excerpt(ExcerptHead),
    /// See [`Models`].
    Models(ModelList),
    /// One model.
    Model(ModelDetails),
    /// A [`ModelPull`] goes on.
    Pulling(Pulling),
    /// See [`ModelVerify`].
    Verified(ModelReport),
    /// What is kept.
    Cache(CacheUsage),
    /// See [`ImportStore`].
    StoreImported(StoreImported),
    /// See [`CheckStore`].
    StoreReport(StoreReport),
    /// See [`BackUpStore`].
    StoreBackup(StoreBackup),
    /// See [`ConfigShow`].
    Config(ConfigText),
    /// Done; nothing else to say.
    Done(Done),
    /// Refused or failed.
    Error(Error),
}

macro_rules! requests {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[$meta:meta])+ $field:ident: $type:ty,)* })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$meta])+ pub $field: $type,)* }
    )+};
}

requests! {
    /// `{"command":"hello","protocol":1}`
    Hello {
        /// The protocol that the client speaks.
        protocol: u32,
    }
    /// `{"command":"status"}`
    Status {}
    /// `{"command":"doctor"}`
    Doctor {}
    /// `{"command":"submit","name":"song.flac","options":{"quality":"balanced"}}`
    Submit {
        /// The input's file name: for its extension and for display.
        name: String,
        /// Bytes that will come, if known: what is too large is refused before it is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// What is to be done.
        #[serde(default)]
        options: JobOptions,
    }
    /// `{"command":"again","job":"1k3v9c0q2x7e"}` or
    /// `{"command":"again","job":"1k3v9c0q2x7e","options":{"quality":"studio"}}`
    Again {
        /// Id of the earlier job. Refused with `conflict` if its input was not kept.
        job: JobId,
        /// What is to be done; the same as before when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<JobOptions>,
    }
    /// `{"command":"jobs","states":["queued"],"limit":50,"page":2,"text":"beyond the sea"}`
    ListJobs {
        /// Only jobs in one of these states; all when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        states: Vec<JobState>,
        /// Only jobs whose name holds each of these words, whatever their case and accents.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Jobs on a page; 100 when absent, 1000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
        /// Which page, from 1, the one with the newest jobs; 1 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<usize>,
    }
    /// `{"command":"show","job":"1k3v9c0q2x7e"}`
    Show {
        /// Its id.
        job: JobId,
    }
    /// `{"command":"watch"}` or `{"command":"watch","job":"1k3v9c0q2x7e"}`
    Watch {
        /// Only this job; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    }
    /// `{"command":"cancel","job":"1k3v9c0q2x7e"}`
    Cancel {
        /// Its id.
        job: JobId,
    }
    /// `{"command":"pause","job":"1k3v9c0q2x7e"}`
    Pause {
        /// Its id.
        job: JobId,
    }
    /// `{"command":"resume","job":"1k3v9c0q2x7e"}`
    Resume {
        /// Its id.
        job: JobId,
    }
    /// `{"command":"prioritise","job":"1k3v9c0q2x7e","priority":"high"}`
    Prioritise {
        /// Its id.
        job: JobId,
        /// What it is to be.
        priority: Priority,
    }
    /// `{"command":"queue_pause"}`
    QueuePause {}
    /// `{"command":"queue_resume"}`
    QueueResume {}
    /// `{"command":"delete","job":"1k3v9c0q2x7e"}`
    Delete {
        /// Its id.
        job: JobId,
    }
    /// `{"command":"rename","job":"1k3v9c0q2x7e","name":"Beyond the Sea"}`
    Rename {
        /// Its id.
        job: JobId,
        /// What it is to be called: 1 to 1000 characters of text; never a path.
        name: String,
    }
    /// `{"command":"report","job":"1k3v9c0q2x7e"}`
    ShowReport {
        /// Its id.
        job: JobId,
    }
    /// `{"command":"estimate","duration":215.0,"options":{"quality":"studio"}}`
    AskEstimate {
        /// Length of the song in seconds, above 0.
        duration: f64,
        /// What is to be done with it.
        #[serde(default)]
        options: JobOptions,
    }
    /// `{"command":"fetch","job":"1k3v9c0q2x7e","output":"vocals"}`
    Fetch {
        /// Its id.
        job: JobId,
        /// Name of an output, `manifest` or `analysis`.
        output: String,
    }
    /// `{"command":"library","text":"sea","tags":["jazz"],"limit":50,"page":1}`
    ListTracks {
        /// Only songs whose name, file name or tags hold each of these words, whatever their case and accents.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Only songs with all of these tags.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<String>,
        /// Only favourites.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        favourite: bool,
        /// Only archived songs instead of the others.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        archived: bool,
        /// Songs on a page; 100 when absent, 1000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
        /// Which page, from 1; 1 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<usize>,
    }
    /// `{"command":"track","track":"9f8e7d6c5b4a"}`
    ShowTrack {
        /// Its id.
        track: TrackId,
    }
    /// `{"command":"track_edit","track":"9f8e7d6c5b4a","favourite":true,"add_tags":["jazz"]}`
    EditTrack {
        /// Its id.
        track: TrackId,
        /// What it is to be called: 1 to 1000 characters of text; never a path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Tags to add: 1 to 100 characters each, 64 on a song at most.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        add_tags: Vec<String>,
        /// Tags to remove.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove_tags: Vec<String>,
        /// Whether retention leaves it alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        favourite: Option<bool>,
        /// Whether it is put away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        archived: Option<bool>,
    }
    /// `{"command":"track_purge","track":"9f8e7d6c5b4a","confirm":true}`
    PurgeTrack {
        /// Its id.
        track: TrackId,
        /// Has to be true: nothing of it can be had back.
        #[serde(default)]
        confirm: bool,
    }
    /// `{"command":"activity","limit":20}`
    ListActivity {
        /// At most so many entries; 100 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
    }
    /// `{"command":"stats"}`
    ShowStats {}
    /// `{"command":"listen","job":"1k3v9c0q2x7e","stem":"vocals","from":7.5}`
    Listen {
        /// Its id. Refused with `conflict` before its separation has come to a checkpoint, and if it makes no stems.
        job: JobId,
        /// Name of an output.
        stem: String,
        /// Begins at this second; at 0 when absent. Where the last excerpt ended there the next one goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<f64>,
        /// Goes on as the job does, until its stems are complete. The size is not known then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        follow: bool,
    }
    /// `{"command":"watches"}`
    Watches {}
    /// `{"command":"models"}`
    Models {}
    /// `{"command":"model","model":"htdemucs_ft"}`
    ShowModel {
        /// Its id.
        model: String,
    }
    /// `{"command":"model_pull","model":"htdemucs_ft","accept_licence":true}`
    ModelPull {
        /// Its id.
        model: String,
        /// The caller has read the licence and accepts it; needed once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        accept_licence: bool,
    }
    /// `{"command":"model_import","name":"955717e8-8726e21a.th"}`
    ModelImport {
        /// The file's name: tells which file it is where the catalogue knows no digest.
        name: String,
        /// Bytes that will come, if known: what is too large is refused before it is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Only as a file of this model; of any when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// The caller has read the licence and accepts it; needed once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        accept_licence: bool,
    }
    /// `{"command":"model_verify"}` or `{"command":"model_verify","model":"htdemucs_ft"}`
    ModelVerify {
        /// Only this model; every one that has files here when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    }
    /// `{"command":"model_remove","model":"htdemucs_ft"}`
    ModelRemove {
        /// Its id.
        model: String,
    }
    /// `{"command":"cache"}`
    ShowCache {}
    /// `{"command":"cache_clear"}`
    ClearCache {}
    /// `{"command":"store_export"}`
    ExportStore {}
    /// `{"command":"store_import","replace":true}`
    ImportStore {
        /// Bytes that will come, if known: what is too large is refused before it is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// What the store holds goes; else a store that holds anything refuses.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replace: bool,
    }
    /// `{"command":"store_check","deep":true}`
    CheckStore {
        /// Hash the outputs of jobs instead of looking at their sizes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deep: bool,
    }
    /// `{"command":"store_backup"}`
    BackUpStore {}
    /// `{"command":"config_show"}`
    ConfigShow {}
    /// `{"command":"config_check","text":"device = \"cpu\"\n"}`
    ConfigCheck {
        /// The file's text.
        text: String,
    }
}
