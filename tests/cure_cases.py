"""For each cure that a message names: a line that is refused, what it says, and lines that follow its cure."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """`then` is what the cured lines may say instead; without it they end well. `fits`: gan-train does not only load data."""

    covers: str
    refused: str
    says: str
    cured: tuple[str, ...] = ()
    then: str = ""
    fits: bool = False
    env: dict = field(default_factory=dict)
    cured_env: dict = field(default_factory=dict)

    def __str__(self):
        return self.covers.partition(";")[0]


DIGITS, FOLDER = (
    "gan-train experiment=digits_fast metric=none",
    "gan-train experiment=anime_faces metric=none data.batch_size=4",
)
TRAINER = "gan-train experiment=digits_fast metric=none trainer.accelerator=cpu"
SWEEP = "gan-train -m experiment=digits_fast metric=none"
SEARCH = "gan-search trials=1 experiment=digits_fast"
OWN = f"{DIGITS} data=dataset data.sample_shape=[1,8,8] data.batch_size=4 data.dataset={{_target_:mylab.%s}}"
TRUST = {"GAN_LIGHTNING_PACKAGES": "mylab"}
IMAGES = (
    "gan-train experiment=digits_fast data=image_folder data.sample_shape=[1,8,8] data.root=images data.batch_size=4 "
    "model.num_classes=0 model.width=4 trainer.accelerator=cpu trainer.max_steps=1"
)
LINE = "gan-train experiment=optimal_discriminator metric=none trainer.max_steps=1 trainer.accelerator=cpu"
WAVES = (
    "gan-train experiment=signals metric=none data.batch_size=4 model.width=2 trainer.accelerator=cpu trainer.max_steps=1 "
    "optimizer/schedule=constant"
)
ARRAY = f"{WAVES} data=array data.sample_shape=[1,16] data.validation=0.2"
SOUNDS = WAVES.replace("signals", "waveforms") + " data.sample_shape=[1,256] data.validation=0.2"
LAST = "metric=none data.batch_size=4 model.width=4 trainer.accelerator=cpu trainer.max_steps=1 optimizer/schedule=constant"
CADENCES = f"gan-train experiment=cadences {LAST}"
PIECES = f"{CADENCES} data=piano_roll data.sample_shape=[4,32,48] data.steps_per_bar=16"
GRAMMAR, TABLE = f"gan-train experiment=grammar {LAST}", f"gan-train experiment=table {LAST}"
WORDS = f"gan-train experiment=words {LAST} data.batch_size=4 data.validation=0.2 data.test=0.2"
ROWS = f"gan-train experiment=table_csv {LAST} data.sample_shape=[2,6] data.validation=0.2 data.test=0.2"
CASES = [
    # gan-evaluate, gan-replay and gan-train run=
    Case(
        "cli.evaluate: shape",
        "gan-evaluate real=broken fake=images feature=raw metric=fid",
        "give shape=[C,H,W]",
        ("gan-evaluate real=broken fake=images feature=raw metric=fid shape=[1,8,8]",),
        then="1 of 1 images can't be decoded",
    ),
    Case(
        "cli.evaluate: split",
        "gan-evaluate run=run metric=nearest_neighbour num=50 split=train",
        "use split=test",
        (
            "gan-evaluate run=run metric=nearest_neighbour num=50 split=test",
            "gan-evaluate run=run metric=nearest_neighbour num=50 split=validation",
        ),
    ),
    Case(
        "cli.score_request: run; cli.score_request: real; cli.score_request: fake",
        "gan-evaluate",
        "give run=RUN_DIR, or real=DIR",
        ("gan-evaluate run=run metric=class_accuracy num=50", "gan-evaluate real=images fake=images metric=fid feature=raw"),
    ),
    Case(
        "cli.score_request: real; cli.score_request: fake",
        "gan-evaluate real=images fake=images data.root=x",
        "given by real=DIR and fake=DIR",
        ("gan-evaluate real=images fake=images metric=fid feature=raw",),
    ),
    Case(
        "cli.sampler_request: sampler",
        "gan-evaluate run=run metric=class_accuracy num=50 sampler.percentile=9",
        "choose one, such as sampler=rejection",
        ("gan-evaluate run=run metric=class_accuracy num=50 sampler=rejection sampler.percentile=9",),
    ),
    Case(
        "cli.score_request: sampler; cli.score_request: batch_norm",
        "gan-evaluate run=run metric=class_accuracy num=50 sampler=rejection batch_norm=batch",
        "use batch_norm=running or sampler=none",
        (
            "gan-evaluate run=run metric=class_accuracy num=50 sampler=rejection batch_norm=running",
            "gan-evaluate run=run metric=class_accuracy num=50 sampler=none batch_norm=batch",
        ),
    ),
    Case(
        "cli.sample: sampler",
        "gan-sample run=run num=2 sampler=rejection truncation=1",
        "use sampler=none",
        ("gan-sample run=run num=2 sampler=none truncation=1",),
    ),
    Case(
        "training.restore: checkpoint",
        "gan-sample run=damaged num=2",
        "checkpoint=1",
        ("gan-sample run=damaged num=2 checkpoint=1",),
    ),
    Case(
        "cli.score_request: metric",
        "gan-evaluate run=run",
        "choose: metric=[…]",
        ("gan-evaluate run=run metric=[class_accuracy] num=50",),
    ),
    Case(
        "data.image_folder: data.root",
        "gan-evaluate run=moved metric=fid feature=raw num=4",
        "set data.root to a folder",
        ("gan-evaluate run=moved metric=fid feature=raw num=4 data.root=images",),
    ),
    Case(
        "data.image_folder: data.root",
        "gan-replay run=moved step=1",
        "set data.root to a folder",
        ("gan-replay run=moved step=1 data.root=images",),
    ),
    Case(
        "data.image_folder: data.root",
        "gan-train run=moved trainer.max_steps=2",
        "set data.root to a folder",
        ("gan-train run=moved trainer.max_steps=2 data.root=images",),
        fits=True,
    ),
    Case(
        "data.decoded_cache: data.cache",
        "gan-evaluate run=moved metric=fid feature=raw num=4 data.root=images data.cache=/dev/null/x",
        "set data.cache=FOLDER",
        ("gan-evaluate run=moved metric=fid feature=raw num=4 data.root=images data.cache=kept",),
    ),
    Case(
        "data.decoded_cache: data.cache",
        "gan-evaluate real=images fake=images metric=fid feature=raw data.cache=/dev/null/x",
        "set data.cache=FOLDER",
        ("gan-evaluate real=images fake=images metric=fid feature=raw data.cache=kept",),
    ),
    Case(
        "data.decoded_cache: data.cache",
        "gan-replay run=moved step=1 data.root=images data.cache=/dev/null/x",
        "set data.cache=FOLDER",
        ("gan-replay run=moved step=1 data.root=images data.cache=kept",),
    ),
    Case(
        "metric.feature.pretrained: feature.weights",
        "gan-evaluate run=run metric=fid feature=inception feature.weights=nowhere.pth",
        "given by feature.weights=PATH",
        ("gan-evaluate run=run metric=fid feature=inception feature.weights=weights.pth",),
        then="holds other weights than",
    ),
    Case(
        "metric.feature.pretrained: feature.weights",
        "gan-evaluate real=images fake=images feature=dinov2 metric=fid feature.weights=nowhere.pth",
        "given by feature.weights=PATH",
        ("gan-evaluate real=images fake=images feature=dinov2 metric=fid feature.weights=weights.pth",),
        then="holds other weights than",
    ),
    Case(
        "metric.reference: {others}",
        "gan-evaluate run=undivided data.root=images metric=fid feature=raw num=4 split=test",
        "use split=train, split=validation",
        (
            "gan-evaluate run=undivided data.root=images metric=fid feature=raw num=4 split=train",
            "gan-evaluate run=undivided data.root=images metric=fid feature=raw num=4 split=validation",
        ),
    ),
    Case(
        "metric.reference: {CACHE_VARIABLE}",
        "gan-evaluate run=run metric=fid feature=raw num=50",
        "set GAN_LIGHTNING_CACHE=FOLDER",
        ("gan-evaluate run=run metric=fid feature=raw num=50",),
        env={"GAN_LIGHTNING_CACHE": "/dev/null/x"},
        cured_env={"GAN_LIGHTNING_CACHE": "kept"},
    ),
    Case(
        "data.mnist: data.download",
        "gan-evaluate run=mnist metric=fid feature=raw num=4",
        "set data.download=true",
        ("gan-evaluate run=mnist metric=fid feature=raw num=4 data.download=true",),
        then="could not be fetched",
    ),
    Case(
        "run.outputs: force",
        "gan-sample run=run num=2 out=mine.npy",
        "force=true",
        ("gan-sample run=run num=2 out=mine.npy force=true",),
    ),
    Case(
        "run.outputs: force",
        "gan-sample run=run num=2 out=notes/",
        "force=true",
        ("gan-sample run=run num=2 out=notes/ force=true",),
    ),
    Case(
        "run.outputs: force",
        "gan-replay run=run step=1 out=notes",
        "force=true",
        ("gan-replay run=run step=1 out=notes force=true",),
    ),
    Case(
        "cli.resume: run; cli.resume: trainer.max_steps",
        "gan-train run=run",
        "to go on: gan-train run=run trainer.max_steps=4",
        ("gan-train run=run trainer.max_steps=4",),
        fits=True,
    ),
    Case(
        "cli.resume: trainer.max_steps",
        "gan-train run=run -m",
        "such as trainer.max_steps=",
        ("gan-train run=run trainer.max_steps=3",),
        fits=True,
    ),
    Case(
        "config.switches: run",
        "gan-train --experimental-rerun x",
        "to go on with a run: gan-train run=RUN_DIR",
        ("gan-train run=run",),
    ),
    Case(
        "run.directory: name",
        f"{DIGITS} hydra.run.dir=run seed=3",
        "choose another name=",
        (f"{DIGITS} name=other seed=3 trainer.max_steps=1", "gan-train run=run"),
        fits=True,
    ),
    Case(
        "training.summary: num; training.summary: out",
        f"{DIGITS} hydra.run.dir=x trainer.max_steps=1",
        "gan-sample run=x num=64 out=grid.png",
        ("gan-sample run=x num=64 out=grid.png",),
        fits=True,
    ),
    Case(
        "training.data_change: run",
        "gan-train run=moved data.root=grown trainer.max_steps=2",
        "trainer.max_steps=2 data.changed=accept",
        ("gan-train run=moved data.root=grown trainer.max_steps=2 data.changed=accept",),
        fits=True,
    ),
    Case(
        "training.data_change: data.root",
        "gan-train run=classed trainer.max_steps=2 data.root=regrouped",
        "and no longer fit its config; restore them, set data.root to a folder where they are",
        ("gan-train run=classed trainer.max_steps=2 data.root=classes",),
        fits=True,
    ),
    Case(
        "training.data_change: data.root",
        "gan-evaluate run=classed metric=fid feature=raw num=4 data.root=regrouped",
        "and no longer fit its config; restore them, set data.root to a folder where they are",
        ("gan-evaluate run=classed metric=fid feature=raw num=4 data.root=classes",),
    ),
    Case(
        "training.data_change: data.root",
        "gan-replay run=classed step=1 data.root=regrouped",
        "and no longer fit its config; restore them, set data.root to a folder where they are",
        ("gan-replay run=classed step=1 data.root=classes",),
    ),
    Case(
        "cli.changed_data: run",
        f"{DIGITS} data.changed=accept",
        "leave it out; a run that has begun, a sweep's job too: gan-train run=RUN_DIR data.changed=accept",
        (DIGITS, "gan-train run=run data.changed=accept"),
    ),
    Case(
        "cli.resume: fork; cli.resume: step",
        "gan-train fork= step=2",
        "give the directory of a run: fork=RUN_DIR step=N",
        ("gan-train fork=run step=2",),
    ),
    # gan-train: the line
    Case(
        "config.compose: {shlex.quote(f'+{o.input_line}",
        f"{DIGITS} trainer.benchmark=true",
        "to add it: +trainer.benchmark=true",
        (f"{DIGITS} +trainer.benchmark=true",),
    ),
    Case(
        "config.option_checks: {group}",
        "gan-train experiment=digits_fast metric=fid,kid",
        "to combine them: 'metric=[fid,kid]'",
        ("gan-train experiment=digits_fast 'metric=[fid,kid]'",),
    ),
    Case(
        "config.hydra_policy: hydra/launcher",
        f"{DIGITS} hydra.launcher=null",
        "choose one: hydra/launcher=basic",
        (f"{DIGITS} hydra/launcher=basic",),
    ),
    Case(
        "config.construction: model.depth; config.construction: gan.latent_dim",
        f"{DIGITS} model=mlp model.depth=100000",
        "choose smaller values, such as model.width, model.depth or gan.latent_dim",
        (f"{DIGITS} model=mlp model.depth=2 gan.latent_dim=8",),
    ),
    Case(
        "config.resolve: {key}",
        f"{DIGITS} data=image_folder",
        "it is needed: data.root=…",
        (f"{FOLDER} data=image_folder data.root=images",),
    ),
    Case(
        "config.resolve: {TRUST_VARIABLE}",
        f"{DIGITS} 'name=${{oc.env:SECRET}}'",
        "to allow it: GAN_LIGHTNING_VARIABLES=SECRET",
        (f"{DIGITS} 'name=${{oc.env:SECRET}}'",),
        env={"SECRET": "x"},
        cured_env={"GAN_LIGHTNING_VARIABLES": "SECRET"},
    ),
    Case(
        "config.targets: {TRUST_VARIABLE}",
        OWN % "Labelled",
        "of your own: GAN_LIGHTNING_PACKAGES=mylab",
        (OWN % "Labelled",),
        cured_env=TRUST,
    ),
    Case(
        "config.validate: {group}",
        f"{DIGITS} optimizer.generator=3",
        "to choose an option: optimizer=…",
        (f"{DIGITS} optimizer=adam",),
    ),
    Case("cli.arguments: {name}", "gan-sample num=2", "it is needed: run=…", ("gan-sample num=2 run=run",)),
    # gan-train: what does not fit together
    Case(
        "config.preflight: model.num_classes",
        f"{DIGITS} model.num_classes=3",
        "use model.num_classes=10, or 0",
        (f"{DIGITS} model.num_classes=10", f"{DIGITS} model.num_classes=0"),
    ),
    Case(
        "config.preflight: augmentation",
        "gan-train experiment=ring_fast metric=none augmentation=diffaugment",
        "use augmentation=none",
        ("gan-train experiment=ring_fast metric=none augmentation=none",),
    ),
    Case(
        "config.preflight: augmentation",
        f"{DIGITS} augmentation=ada loss=wasserstein",
        "use augmentation=scheduled_ada",
        (f"{DIGITS} augmentation=scheduled_ada loss=wasserstein", f"{DIGITS} augmentation=ada loss=hinge"),
    ),
    Case(
        "regularizer.base: gan.packing",
        f"{DIGITS} regularizer=auxiliary_classifier gan.packing=2",
        "use gan.packing=1",
        (f"{DIGITS} regularizer=auxiliary_classifier gan.packing=1",),
    ),
    Case(
        "config.preflight: metric",
        "gan-train experiment=digits_fast model.num_classes=0",
        "use metric=none",
        (f"{DIGITS} model.num_classes=0",),
    ),
    Case(
        "config.preflight: data.validation",
        f"{IMAGES} metric=fid feature=raw data.validation=0.001",
        "such as data.validation=0.2, or metric=none",
        (f"{IMAGES} metric=fid feature=raw data.validation=0.2", f"{IMAGES} metric=none data.validation=0.001"),
        fits=True,
    ),
    Case(
        "config.preflight: trainer",
        f"{TRAINER} trainer.devices=2",
        "use trainer=ddp",
        (f"{TRAINER} trainer=ddp trainer.devices=2",),
    ),
    Case(
        "config.preflight: gan.accumulate_grad_batches",
        f"{TRAINER} +trainer.accumulate_grad_batches=2",
        "use gan.accumulate_grad_batches",
        (f"{TRAINER} gan.accumulate_grad_batches=2",),
    ),
    Case(
        "config.preflight: hydra.run.dir",
        f"{TRAINER} +trainer.default_root_dir=x",
        "use hydra.run.dir",
        (f"{TRAINER} hydra.run.dir=x",),
    ),
    Case(
        "config.preflight: checkpoint.every_n_steps",
        f"{TRAINER} +trainer.enable_checkpointing=false",
        "use checkpoint.every_n_steps",
        (f"{TRAINER} checkpoint.every_n_steps=100000",),
    ),
    Case(
        "config.preflight: callback.scalars.every_n_steps",
        f"{TRAINER} +trainer.log_every_n_steps=5",
        "use callback.scalars.every_n_steps",
        (f"{TRAINER} callback.scalars.every_n_steps=5",),
    ),
    Case(
        "config.preflight: trainer.max_steps",
        f"{TRAINER} +trainer.max_epochs=5",
        "use trainer.max_steps",
        (f"{TRAINER} trainer.max_steps=5",),
    ),
    Case(
        "config.size_checks: data.sample_shape",
        f"{FOLDER} data.root=images data.sample_shape=[3,100,100] model=dcgan_small",
        "data.sample_shape=[3,96,96]",
        (f"{FOLDER} data.root=images data.sample_shape=[3,96,96] model=dcgan_small",),
    ),
    Case(
        "config.size_checks: data.sample_shape; config.size_checks: model.width; config.size_checks: data.batch_size",
        f"{FOLDER} data.root=images data.sample_shape=[3,8,8] model=dcgan model.width=1000000",
        "choose a smaller data.sample_shape, model.width",
        (f"{FOLDER} data.root=images data.sample_shape=[3,8,8] model=dcgan model.width=1",),
    ),
    # gan-train: the data
    Case(
        "data.folder_layout: data.num_classes",
        f"{FOLDER} data.root=images data.num_classes=2",
        "set data.num_classes=0",
        (f"{FOLDER} data.root=images data.num_classes=0",),
    ),
    Case(
        "data.decoded_cache: data.sample_shape",
        f"{FOLDER} data.root=images data.sample_shape=[3,2000000,2000000] model=mlp model.width=1",
        "choose a smaller data.sample_shape",
        (f"{FOLDER} data.root=images data.sample_shape=[3,8,8]",),
    ),
    Case(
        "data.cartoon_faces: data.cache",
        "gan-train experiment=cartoon_faces metric=none data.count=20 data.batch_size=4 data.cache=/dev/null/x",
        "set data.cache=FOLDER",
        ("gan-train experiment=cartoon_faces metric=none data.count=20 data.batch_size=4 data.cache=kept",),
    ),
    Case(
        "data.mnist: data.root",
        f"{DIGITS} data=mnist data.download=true data.root=/dev/null/x",
        "set data.root=FOLDER",
        (f"{DIGITS} data=mnist data.download=true data.root=kept",),
        then="could not be fetched",
    ),
    Case(
        "data.cifar: data.download",
        f"{DIGITS} data=cifar10 data.root=kept",
        "set data.download=true",
        (f"{DIGITS} data=cifar10 data.root=kept data.download=true",),
        then="could not be fetched",
    ),
    Case(
        "data.cifar: data.root",
        f"{DIGITS} data=cifar100 data.download=true data.root=/dev/null/x",
        "set data.root=FOLDER",
        (f"{DIGITS} data=cifar100 data.download=true data.root=kept",),
        then="could not be fetched",
    ),
    Case(
        "data.dataset: data.num_classes",
        f"{OWN % 'Unlabelled'} data.num_classes=2",
        "set data.num_classes=0",
        (OWN % "Unlabelled",),
        env=TRUST,
    ),
    Case(
        "data.dataset: data.num_classes",
        f"{OWN % 'Labelled'} data.num_classes=2",
        "correct the labels or data.num_classes",
        (f"{OWN % 'Labelled'} data.num_classes=6",),
        env=TRUST,
    ),
    Case(
        "data.dataset: data.range",
        OWN % "Positive",
        "as after ToTensor without Normalize: data.range=[0,1]; if not: data.range=[-1,1]",
        (f"{OWN % 'Positive'} data.range=[0,1]", f"{OWN % 'Positive'} data.range=[-1,1]"),
        env=TRUST,
    ),
    Case(
        "data.dataset: data.range",
        OWN % "Wide",
        "such as data.range=[0,255]",
        (f"{OWN % 'Wide'} data.range=[0,255]",),
        env=TRUST,
    ),
    Case(
        "data.wide_values: data.range",
        f"{FOLDER} data.root=dark",
        "if they have 12 bits, set data.range=[0,4095]",
        (f"{FOLDER} data.root=dark data.range=[0,4095]",),
    ),
    Case(
        "data.folder_layout: data.num_classes",
        f"{FOLDER} data.root=classes data.num_classes=3",
        "set data.num_classes=2, or 0",
        (f"{FOLDER} data.root=classes data.num_classes=2", f"{FOLDER} data.root=classes data.num_classes=0"),
    ),
    Case(
        "data.folder_layout: data.num_classes",
        f"{FOLDER} data.root=listed data.num_classes=3",
        "set data.num_classes=2, or 0",
        (f"{FOLDER} data.root=listed data.num_classes=2", f"{FOLDER} data.root=listed data.num_classes=0"),
    ),
    Case(
        "data.folder_layout: data.split_folders",
        f"{FOLDER} data.root=divided",
        "set data.split_folders=false",
        (f"{FOLDER} data.root=divided data.split_folders=false",),
    ),
    Case(
        "data.label_columns: data.num_classes",
        f"{FOLDER} data.root=listed data.num_classes=2 data.labels=gone.csv:class",
        "or set data.num_classes=0 and data.labels=null",
        (f"{FOLDER} data.root=listed data.num_classes=0 data.labels=null",),
    ),
    Case(
        "data.label_columns: data.labels",
        f"{FOLDER} data.root=listed data.num_classes=2 data.labels=labels.csv:class",
        "or set data.num_classes=0 and data.labels=null",
        (f"{FOLDER} data.root=listed data.num_classes=0 data.labels=null",),
    ),
    Case(
        "data.label_files: data.num_classes",
        f"{FOLDER} data.root=halflisted data.num_classes=2",
        "or set data.num_classes=0",
        (f"{FOLDER} data.root=halflisted data.num_classes=0",),
    ),
    Case(
        "data.label_files: data.num_classes",
        f"{FOLDER} data.root=null data.num_classes=2",
        "set data.num_classes=0",
        (f"{FOLDER} data.root=null data.num_classes=0",),
    ),
    Case(
        "data.array: data.sample_shape",
        f"{ARRAY} data.file=waves.npy data.sample_shape=[1,12]",
        "set data.sample_shape=[1, 16]",
        (f"{ARRAY} data.file=waves.npy data.sample_shape=[1,16]",),
    ),
    Case(
        "data.array: data.range",
        f"{ARRAY} data.file=loud.npy",
        "set data.range to the two values that become -1 and 1",
        (f"{ARRAY} data.file=loud.npy data.range=[-9,9]",),
    ),
    Case(
        "data.array: data.labels; data.array: data.num_classes",
        f"{ARRAY} data.file=waves.npy data.num_classes=2",
        "set data.labels, or data.num_classes=0",
        (
            f"{ARRAY} data.file=waves.npy data.num_classes=2 data.labels=labels.npy",
            f"{ARRAY} data.file=waves.npy data.num_classes=0",
        ),
    ),
    Case(
        "data.array_file: data.array",
        f"{ARRAY} data.file=two.npz",
        "set data.array to the name of one",
        (f"{ARRAY} data.file=two.npz data.array=x",),
    ),
    Case(
        "data.signals: data.sample_rate",
        f"{WAVES} data.sample_shape=[1,128]",
        "such as [1,512] at data.sample_rate=128",
        (f"{WAVES} data.count=100 data.sample_shape=[1,512] data.sample_rate=128",),
    ),
    Case(
        "data.sound_listing: data.root",
        f"{SOUNDS} data.root=nosuch",
        "set data.root to a folder of sounds",
        (f"{SOUNDS} data.root=sounds",),
    ),
    Case(
        "data.sound_listing: data.num_classes",
        f"{SOUNDS} data.root=sounds data.num_classes=3",
        "set data.num_classes=2, or 0 to take all sounds unlabelled",
        (f"{SOUNDS} data.root=sounds data.num_classes=2", f"{SOUNDS} data.root=sounds data.num_classes=0"),
    ),
    Case(
        "data.piece_listing: data.root",
        f"{PIECES} data.root=nosuch",
        "set data.root to a folder of MIDI or MusicXML files",
        (f"{PIECES} data.root=pieces",),
    ),
    Case("data.words: data.root", f"{WORDS} data.root=nosuch", "set data.root=FILE", (f"{WORDS} data.root=words.txt",)),
    Case("data.table_csv: data.root", f"{ROWS} data.root=nosuch", "set data.root=FILE.csv", (f"{ROWS} data.root=rows.csv",)),
    Case(
        "data.table: data.sample_shape",
        f"{TABLE} data.name=iris data.sample_shape=[5,4]",
        "set data.sample_shape=[5,6]",
        (f"{TABLE} data.name=iris data.sample_shape=[5,6]",),
    ),
    # gan-train: metrics and callbacks
    Case(
        "metric.cadence_rules: metric",
        f"{DIGITS} metric=cadence_rules",
        "use metric=none",
        (DIGITS, CADENCES.replace("metric=none", "metric=cadence_rules")),
    ),
    Case(
        "metric.piano_roll: metric; metric.piano_roll: data",
        f"{DIGITS} metric=piano_roll",
        "such as data=cadences; use metric=none",
        (DIGITS, CADENCES.replace("metric=none", "metric=piano_roll")),
    ),
    Case(
        "metric.text_validity: data",
        f"{DIGITS} metric=text_validity",
        "a known grammar: data=grammar",
        (GRAMMAR.replace("metric=none", "metric=text_validity"),),
    ),
    Case(
        "metric.ngram: data",
        f"{DIGITS} metric=ngram",
        "held-out words: data=words",
        (WORDS.replace("metric=none", "metric=ngram") + " data.root=words.txt",),
    ),
    Case(
        "metric.table: metric; metric.table: data",
        f"{DIGITS} metric=table",
        "data=table or data=table_csv; use metric=none",
        (DIGITS, TABLE.replace("metric=none", "metric=table")),
    ),
    Case(
        "metric.beat_rate: metric; metric.beat_rate: data",
        f"{DIGITS} metric=beat_rate",
        "such as data=heartbeats; use metric=none",
        (DIGITS, f"{WAVES} metric=beat_rate data=heartbeats data.count=100"),
    ),
    Case(
        "metric.pitch_accuracy: metric; metric.pitch_accuracy: data",
        f"{DIGITS} metric=pitch_accuracy",
        "such as data=tones; use metric=none",
        (DIGITS, f"{WAVES} metric=pitch_accuracy data=tones data.count=100"),
    ),
    Case(
        "metric.spectrum_distance: data",
        f"{DIGITS} metric=spectrum_distance",
        "such as data=signals",
        (f"{WAVES} metric=spectrum_distance data=signals data.count=100",),
    ),
    Case(
        "metric.class_accuracy: metric",
        f"{DIGITS} data=digits_8_unlabelled metric=class_accuracy",
        "use metric=none",
        (f"{DIGITS} data=digits_8_unlabelled",),
    ),
    Case(
        "metric.distance: metric; metric.distance: data",
        f"{DIGITS} metric=distance",
        "such as data=dirac or data=ring; use metric=none",
        (DIGITS, "gan-train experiment=ring metric=distance data=ring", "gan-train experiment=dirac data=dirac"),
    ),
    Case(
        "metric.mode_coverage: metric; metric.mode_coverage: data",
        f"{DIGITS} metric=mode_coverage",
        "such as data=ring or data=grid; use metric=none",
        (DIGITS, "gan-train experiment=ring metric=mode_coverage data=grid", "gan-train experiment=ring data=ring"),
    ),
    Case(
        "metric.mode_coverage: metric",
        "gan-train experiment=dirac metric=mode_coverage",
        "use metric=distance",
        ("gan-train experiment=dirac metric=distance",),
    ),
    Case(
        "metric.factor_coverage: feature",
        f"{DIGITS} metric=factor_coverage feature=raw",
        "such as feature=digits",
        (f"{DIGITS} metric=factor_coverage feature=digits",),
    ),
    Case(
        "metric.code_purity: feature",
        f"{DIGITS} metric=code_purity feature=raw",
        "such as feature=digits",
        (f"{DIGITS} metric=code_purity feature=digits",),
    ),
    Case(
        "metric.inception_score: feature",
        f"{DIGITS} metric=inception_score feature=raw",
        "such as feature=digits",
        (f"{DIGITS} metric=inception_score feature=digits",),
    ),
    Case(
        "callback.trajectory: model",
        "gan-train experiment=dirac model=mlp trainer.max_steps=1",
        "use model=dirac",
        ("gan-train experiment=dirac model=dirac trainer.max_steps=1",),
        fits=True,
    ),
    Case(
        "callback.optimal_discriminator: model; callback.optimal_discriminator: data; callback.optimal_discriminator: prior; "
        "callback.optimal_discriminator: gan.packing",
        f"{LINE} prior=uniform",
        "it needs data=line, model=normal, prior=gaussian and gan.packing=1",
        (f"{LINE} data=line model=normal prior=gaussian gan.packing=1",),
        fits=True,
    ),
    # sweeps and searches
    Case(
        "sweep.plan: hydra.sweep.dir",
        f"{SWEEP} seed=0,1 hydra.sweep.subdir=x",
        "use hydra.sweep.dir=",
        (f"{SWEEP} seed=0,1 hydra.sweep.dir=x",),
    ),
    Case(
        "sweep.status: hydra.sweep.dir",
        f"{SWEEP} seed=5 hydra.sweep.dir=swept",
        "choose another hydra.sweep.dir=, or go on with it: gan-train run=swept/",
        (f"{SWEEP} seed=5 hydra.sweep.dir=other", "gan-train run=swept/metric=none,seed=5"),
    ),
    Case(
        "sweep.search.objectives: objective",
        "gan-search trials=1 experiment=digits_fast metric=fid,class_accuracy",
        "give objective=",
        ("gan-search trials=1 experiment=digits_fast metric=[fid,class_accuracy] loss=hinge,minimax objective=fid",),
    ),
    Case(
        "sweep.search.objectives: metric",
        f"{SEARCH} metric=none loss=hinge,minimax",
        "such as metric=fid",
        (f"{SEARCH} metric=fid loss=hinge,minimax",),
    ),
    Case(
        "sweep.search.space: loss; sweep.search.space: optimizer.lr",
        SEARCH,
        "such as 'optimizer.lr=interval(1e-4,1e-2)' or loss=a,b",
        (f"{SEARCH} loss=hinge,minimax", f"{SEARCH} study=other 'optimizer.lr=interval(1e-4,1e-2)'"),
    ),
    Case(
        "sweep.search.space: {cure}",
        f"{SEARCH} 'gan.latent_dim=tag(log,range(1,9,2))'",
        "use int(tag(log,interval(1,9)))",
        (f"{SEARCH} 'gan.latent_dim=int(tag(log,interval(1,9)))'",),
    ),
    Case(
        "sweep.search.study: study",
        f"{SEARCH} seed=0,1 study=lost",
        "choose another study=",
        (f"{SEARCH} seed=0,1 study=other",),
    ),
]
