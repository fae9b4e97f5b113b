//! The table of commands. One row makes the request variant, the reply type, the name and the access level.

use serde::{Deserialize, Serialize};

use crate::{Error, Job, JobId, JobOptions, JobState, Priority, model::*, status::*, watch::*};

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
                const INFO: CommandInfo = CommandInfo { name: $name, access: Access::$access, flow: Flow::$flow };
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
    /// Lists jobs in order of submission.
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
    /// Sends an output of a completed job, or its manifest.
    "fetch" Fetch Owner Download => File(FileHead);
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
    /// The configuration that is in force, as TOML.
    "config_show" ConfigShow Admin Call => Config(ConfigText);
    /// Checks a configuration file's text without using it.
    "config_check" ConfigCheck Anyone Call => Done(Done);
}

/// A reply line, tagged by `reply`. A reader ignores fields that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a reply lives for one line")]
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
    /// `{"command":"jobs","states":["queued"],"limit":50}`
    ListJobs {
        /// Only jobs in one of these states; all when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        states: Vec<JobState>,
        /// At most so many, the newest; 100 when absent, 1000 at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
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
    /// `{"command":"fetch","job":"1k3v9c0q2x7e","output":"vocals"}`
    Fetch {
        /// Its id.
        job: JobId,
        /// Name of an output, `manifest` or `analysis`.
        output: String,
    }
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
    /// `{"command":"config_show"}`
    ConfigShow {}
    /// `{"command":"config_check","text":"device = \"cpu\"\n"}`
    ConfigCheck {
        /// The file's text.
        text: String,
    }
}
