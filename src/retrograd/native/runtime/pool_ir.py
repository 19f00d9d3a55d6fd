"""The code of the thread pool, as LLVM text. `pool.py` says what it is for; here is how it works.

The state block of a pool, all counters `i32`, each where no other thread's line is touched:

| offset | what |
| --- | --- |
| 0 | generation: one more for every fork; workers wait for it to change |
| 64 | lock: 1 while a fork is in flight, and while there are no workers |
| 128 | how many workers sleep |
| 192 | task (ptr), 200 argument (ptr), 208 parts (i64), 216 pauses before a worker sleeps, 220 stop |
| 256 | how many workers have arrived here; 264 when light work last found them asleep (i64), 272 how often in a row |
| 320 + 64 part | the last generation in which this part was finished, 324 + 64 part in which it was begun |

A part is begun by whoever raises its second counter from one generation to the next: its worker, or the caller who has
finished part 0 and finds that the worker has not come yet. So a worker that sleeps, or has lost its core, holds nobody
up; it finds the part begun and waits for the next generation.

A worker that goes to sleep first counts itself, then looks at the generation again; who forks first raises the
generation, then looks at the count. Both in sequential consistency, so one of them sees the other; the kernel looks a
third time before it lets the worker sleep.
"""

from __future__ import annotations

GENERATION, LOCK, SLEEPERS = 0, 64, 128
TASK, ARGUMENT, PARTS, PAUSES, STOP = 192, 200, 208, 216, 220
READY, LAST, OFTEN = 256, 264, 272
DONE, BEGUN, STRIDE = 320, 324, 64
YIELD = 1024  # pauses between two offers of the core to somebody else
RECENT = 1_000_000  # cycles of the time stamp counter between two runs of one busy spell
SPELL = 32  # runs in one spell after which light work wakes the workers

FUTEX = {"x86_64": 202, "aarch64": 98}  # the number of the system call on Linux

SYMBOLS = ("rg_run", "rg_run_light", "rg_wake", "rg_fork", "rg_join")  # the last two are the halves of `rg_run`
INTERNAL = ("rg_worker", "rg_stop", "rg_open")


def pool_ir(architecture: str, system: str) -> str:
    """The module, for an architecture by LLVM's name and a system as `sys.platform` has it."""
    return "\n".join([_platform(architecture, system), WAIT, FORK, RUN, _light(architecture), STOPPING])


def _platform(architecture: str, system: str) -> str:
    """What differs: `pause` while spinning, `offer` the core, `sleep` until woken, `wake` all."""
    pause = {
        "x86_64": "call void @llvm.x86.sse2.pause()",
        "aarch64": 'call void asm sideeffect "yield", ""()',
    }.get(architecture, "fence seq_cst")
    declarations = "declare void @llvm.x86.sse2.pause()\n" if architecture == "x86_64" else ""
    if system == "win32":
        declarations += "declare i32 @SwitchToThread()\ndeclare void @Sleep(i32)\n"
        offer, sleep, wake = "%r = call i32 @SwitchToThread()", "call void @Sleep(i32 1)", ""
    else:
        declarations += "declare i32 @sched_yield()\n"
        offer = "%r = call i32 @sched_yield()"
        if system == "linux" and architecture in FUTEX:
            declarations += "declare i64 @syscall(i64, ...)\n"
            head = f"%r = call i64 (i64, ...) @syscall(i64 {FUTEX[architecture]}, ptr %s, i32"
            sleep, wake = f"{head} 128, i32 %last, ptr null)", f"{head} 129, i32 2147483647)"
        else:
            declarations += "declare i32 @usleep(i32)\n"
            sleep, wake = "%r = call i32 @usleep(i32 100)", ""
    return f"""{declarations}
define internal void @pause() nounwind {{
  {pause}
  ret void
}}
define internal void @offer() nounwind {{
  {offer}
  ret void
}}
define internal void @sleep(ptr %s, i32 %last) nounwind {{
  {sleep}
  ret void
}}
define internal void @wake(ptr %s) nounwind {{
  {wake}
  ret void
}}
; pause once. The core is offered now and then: on a busy machine a worker comes late rather than being interrupted in
; the middle of a part, and the caller, who then does the part itself, loses nothing
define internal void @rest(i32 %i) nounwind {{
  call void @pause()
  %part = and i32 %i, {YIELD - 1}
  %often = icmp ne i32 %part, {YIELD - 1}
  br i1 %often, label %back, label %often_enough
often_enough:
  call void @offer()
  br label %back
back:
  ret void
}}"""


WAIT = f"""
define void @rg_worker(ptr %s, i64 %part) nounwind {{
entry:
  %sleepers = getelementptr i8, ptr %s, i64 {SLEEPERS}
  %stop.p = getelementptr i8, ptr %s, i64 {STOP}
  %pauses.p = getelementptr i8, ptr %s, i64 {PAUSES}
  %task.p = getelementptr i8, ptr %s, i64 {TASK}
  %argument.p = getelementptr i8, ptr %s, i64 {ARGUMENT}
  %parts.p = getelementptr i8, ptr %s, i64 {PARTS}
  %place = mul i64 %part, {STRIDE}
  %mine = getelementptr i8, ptr %s, i64 %place
  %done = getelementptr i8, ptr %mine, i64 {DONE}
  %begun = getelementptr i8, ptr %mine, i64 {BEGUN}
  %ready = getelementptr i8, ptr %s, i64 {READY}
  %arrived = atomicrmw add ptr %ready, i32 1 seq_cst
  br label %wait
wait:
  %last = phi i32 [ 0, %entry ], [ %now, %work ], [ %now, %begin ], [ %last, %awake ]
  br label %spin
spin:
  %i = phi i32 [ 0, %wait ], [ %i.next, %idle ]
  %now = load atomic i32, ptr %s acquire, align 4
  %called = icmp ne i32 %now, %last
  br i1 %called, label %go, label %idle
idle:
  call void @rest(i32 %i)
  %i.next = add i32 %i, 1
  %pauses = load i32, ptr %pauses.p
  %patient = icmp ult i32 %i.next, %pauses
  br i1 %patient, label %spin, label %tired
tired:
  %before = atomicrmw add ptr %sleepers, i32 1 seq_cst
  %again = load atomic i32, ptr %s seq_cst, align 4
  %quiet = icmp eq i32 %again, %last
  br i1 %quiet, label %asleep, label %awake
asleep:
  call void @sleep(ptr %s, i32 %last)
  br label %awake
awake:
  %after = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %wait
go:
  %stop = load atomic i32, ptr %stop.p acquire, align 4
  %stopped = icmp ne i32 %stop, 0
  br i1 %stopped, label %quit, label %begin
begin:
  %earlier = sub i32 %now, 1
  %pair = cmpxchg ptr %begun, i32 %earlier, i32 %now acq_rel monotonic
  %ours = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %ours, label %work, label %wait
work:
  %task = load ptr, ptr %task.p
  %argument = load ptr, ptr %argument.p
  %parts = load i64, ptr %parts.p
  call void %task(ptr %argument, i64 %part, i64 %parts)
  store atomic i32 %now, ptr %done release, align 4
  br label %wait
quit:
  ret void
}}"""

FORK = f"""
define internal void @call(ptr %s) nounwind {{
  %sleepers.p = getelementptr i8, ptr %s, i64 {SLEEPERS}
  %before = atomicrmw add ptr %s, i32 1 seq_cst
  %sleepers = load atomic i32, ptr %sleepers.p seq_cst, align 4
  %none = icmp eq i32 %sleepers, 0
  br i1 %none, label %back, label %waking
waking:
  call void @wake(ptr %s)
  br label %back
back:
  ret void
}}
define void @rg_fork(ptr %s, ptr %task, ptr %argument) nounwind {{
  %task.p = getelementptr i8, ptr %s, i64 {TASK}
  %argument.p = getelementptr i8, ptr %s, i64 {ARGUMENT}
  store ptr %task, ptr %task.p
  store ptr %argument, ptr %argument.p
  call void @call(ptr %s)
  ret void
}}
define void @rg_join(ptr %s) nounwind {{
entry:
  %task.p = getelementptr i8, ptr %s, i64 {TASK}
  %argument.p = getelementptr i8, ptr %s, i64 {ARGUMENT}
  %parts.p = getelementptr i8, ptr %s, i64 {PARTS}
  %task = load ptr, ptr %task.p
  %argument = load ptr, ptr %argument.p
  %parts = load i64, ptr %parts.p
  %now = load atomic i32, ptr %s monotonic, align 4
  %earlier = sub i32 %now, 1
  br label %next
next:
  %part = phi i64 [ 1, %entry ], [ %part.next, %following ]
  %more = icmp slt i64 %part, %parts
  br i1 %more, label %look, label %waiting
look:
  %place = mul i64 %part, {STRIDE}
  %theirs = getelementptr i8, ptr %s, i64 %place
  %done.p = getelementptr i8, ptr %theirs, i64 {DONE}
  %begun.p = getelementptr i8, ptr %theirs, i64 {BEGUN}
  %begun = load atomic i32, ptr %begun.p monotonic, align 4
  %taken = icmp eq i32 %begun, %now
  br i1 %taken, label %following, label %try
try:
  %pair = cmpxchg ptr %begun.p, i32 %earlier, i32 %now acq_rel monotonic
  %ours = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %ours, label %work, label %following
work:
  call void %task(ptr %argument, i64 %part, i64 %parts)
  store atomic i32 %now, ptr %done.p release, align 4
  br label %following
following:
  %part.next = add i64 %part, 1
  br label %next
waiting:
  %w = phi i64 [ 1, %next ], [ %w.next, %finished ]
  %left = icmp slt i64 %w, %parts
  br i1 %left, label %watch, label %back
watch:
  %w.place = mul i64 %w, {STRIDE}
  %w.theirs = getelementptr i8, ptr %s, i64 %w.place
  %w.done.p = getelementptr i8, ptr %w.theirs, i64 {DONE}
  br label %spin
spin:
  %i = phi i32 [ 0, %watch ], [ %i.next, %idle ]
  %done = load atomic i32, ptr %w.done.p acquire, align 4
  %same = icmp eq i32 %done, %now
  br i1 %same, label %finished, label %idle
idle:
  call void @rest(i32 %i)
  %i.next = add i32 %i, 1
  br label %spin
finished:
  %w.next = add i64 %w, 1
  br label %waiting
back:
  ret void
}}"""

RUN = f"""
define internal void @serial(ptr %s, ptr %task, ptr %argument) nounwind {{
entry:
  %parts.p = getelementptr i8, ptr %s, i64 {PARTS}
  %parts = load i64, ptr %parts.p
  br label %loop
loop:
  %part = phi i64 [ 0, %entry ], [ %part.next, %loop ]
  call void %task(ptr %argument, i64 %part, i64 %parts)
  %part.next = add i64 %part, 1
  %more = icmp slt i64 %part.next, %parts
  br i1 %more, label %loop, label %back
back:
  ret void
}}
define void @rg_run(ptr %s, ptr %task, ptr %argument) nounwind {{
  %lock = getelementptr i8, ptr %s, i64 {LOCK}
  %taken = load atomic i32, ptr %lock monotonic, align 4
  %busy = icmp ne i32 %taken, 0
  br i1 %busy, label %alone, label %try
try:
  %pair = cmpxchg ptr %lock, i32 0, i32 1 acquire monotonic
  %ours = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %ours, label %together, label %alone
together:
  call void @rg_fork(ptr %s, ptr %task, ptr %argument)
  %parts.p = getelementptr i8, ptr %s, i64 {PARTS}
  %parts = load i64, ptr %parts.p
  call void %task(ptr %argument, i64 0, i64 %parts)
  call void @rg_join(ptr %s)
  store atomic i32 0, ptr %lock release, align 4
  ret void
alone:
  call void @serial(ptr %s, ptr %task, ptr %argument)
  ret void
}}
define void @rg_wake(ptr %s) nounwind {{
  %sleepers.p = getelementptr i8, ptr %s, i64 {SLEEPERS}
  %sleepers = load atomic i32, ptr %sleepers.p monotonic, align 4
  %none = icmp eq i32 %sleepers, 0
  br i1 %none, label %back, label %waking
waking:
  call void @wake(ptr %s)
  br label %back
back:
  ret void
}}"""


def _light(architecture: str) -> str:
    """`rg_run_light`; without a cheap clock it is `rg_run`."""
    head = "define void @rg_run_light(ptr %s, ptr %task, ptr %argument) nounwind {"
    if architecture != "x86_64":
        return f"{head}\n  call void @rg_run(ptr %s, ptr %task, ptr %argument)\n  ret void\n}}"
    return f"""declare i64 @llvm.readcyclecounter()
{head}
  %sleepers.p = getelementptr i8, ptr %s, i64 {SLEEPERS}
  %sleepers = load atomic i32, ptr %sleepers.p monotonic, align 4
  %none = icmp eq i32 %sleepers, 0
  br i1 %none, label %awake, label %asleep
awake:
  call void @rg_run(ptr %s, ptr %task, ptr %argument)
  ret void
asleep:
  %last.p = getelementptr i8, ptr %s, i64 {LAST}
  %now = call i64 @llvm.readcyclecounter()
  %last = load atomic i64, ptr %last.p monotonic, align 8
  store atomic i64 %now, ptr %last.p monotonic, align 8
  %passed = sub i64 %now, %last
  %recent = icmp ult i64 %passed, {RECENT}
  %often.p = getelementptr i8, ptr %s, i64 {OFTEN}
  %often = load atomic i32, ptr %often.p monotonic, align 4
  %more = add i32 %often, 1
  %count = select i1 %recent, i32 %more, i32 0
  %enough = icmp uge i32 %count, {SPELL}
  %stored = select i1 %enough, i32 0, i32 %count
  store atomic i32 %stored, ptr %often.p monotonic, align 4
  br i1 %enough, label %waking, label %alone
waking:
  call void @wake(ptr %s)
  br label %alone
alone:
  call void @serial(ptr %s, ptr %task, ptr %argument)
  ret void
}}"""


STOPPING = f"""
define i32 @rg_stop(ptr %s) nounwind {{
  %lock = getelementptr i8, ptr %s, i64 {LOCK}
  %pair = cmpxchg ptr %lock, i32 0, i32 1 seq_cst seq_cst
  %ours = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %ours, label %stopping, label %busy
stopping:
  %stop = getelementptr i8, ptr %s, i64 {STOP}
  store atomic i32 1, ptr %stop seq_cst, align 4
  call void @call(ptr %s)
  ret i32 1
busy:
  ret i32 0
}}
define void @rg_open(ptr %s) nounwind {{
  %lock = getelementptr i8, ptr %s, i64 {LOCK}
  store atomic i32 0, ptr %lock release, align 4
  ret void
}}"""
