%% The one process that writes.
%%
%% What waits is applied write by write, each in a transaction of Mnesia and so in one record of its log; then one
%% sync of the log is for all of them, and then they are answered. Checks see what was written before them in the
%% same round, so also the answer to a refused one waits for the sync.
%%
%% Three counters tell readers where it is: writes begun, in memory, and synced. The others are the highest version
%% of the layout, and how many records were written or removed, for metrics.
-module(chatcluster_writer).
-behaviour(gen_server).

-export([start_link/0, write/4, read/1, begun/0, synced/1, refusal/1, info/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(BEGUN, 1).
-define(IN_MEMORY, 2).
-define(SYNCED, 3).
-define(VERSION, 4).
-define(WRITTEN, 5).

%% Waiting calls are taken together until there are this many, so that the first of them does not wait for ever.
-define(ROUND, 64).
%% The log is carried over to the tables' files when it has grown to this many bytes, unless the environment has
%% CHATCLUSTER_LOG_BYTES, for tests that want that often.
-define(LOG, 16 * 1024 * 1024).
%% Longer than any caller waits.
-define(PATIENCE, 60000).
%% A write names the time by which it was decided. One that differs by more was under way for too long, or a clock
%% is wrong: the machine's is meant, since Erlang's own goes on smoothly where that one jumps.
-define(SKEW, 5000).

-record(state, {
    waiting = [] :: [{gen_server:from(), tuple()}],
    log = ?LOG :: pos_integer(),
    logged = 0 :: non_neg_integer(),
    dumping = none :: none | reference(),
    dumps = 0 :: non_neg_integer(),
    syncs = 0 :: non_neg_integer()
}).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

write(To, Decided, Checks, Writes) ->
    gen_server:call(?MODULE, {write, To, Decided, Checks, Writes}, ?PATIENCE).

%% Reads between two writes.
read(Scans) ->
    gen_server:call(?MODULE, {read, Scans}, ?PATIENCE).

info() ->
    gen_server:call(?MODULE, info, ?PATIENCE).

%% The state that the map is in, or that it is changing.
-spec begun() -> non_neg_integer() | changing.
begun() ->
    Counters = counters(),
    Begun = atomics:get(Counters, ?BEGUN),
    case atomics:get(Counters, ?IN_MEMORY) of
        Begun -> Begun;
        _ -> changing
    end.

%% Waits until a state is synced.
-spec synced(non_neg_integer()) -> ok.
synced(State) ->
    case atomics:get(counters(), ?SYNCED) >= State of
        true -> ok;
        false -> gen_server:call(?MODULE, synced, ?PATIENCE)
    end.

%% Whether a caller is to be refused, whatever it wants.
-spec refusal(chatcluster_node:to()) -> none | chatcluster_node:refusal().
refusal({Identity, Version}) when is_integer(Version), Version >= 0, Version < 1 bsl 32 ->
    case persistent_term:get(?MODULE, starting) of
        starting ->
            starting;
        {Own, Counters} ->
            case atomics:get(Counters, ?VERSION) of
                _ when Identity =/= Own -> {other, Own};
                Highest when Version < Highest -> {stale, Highest};
                _ -> none
            end
    end.

init([]) ->
    %% Mnesia writes to its log without looking at an answer, and disk_log forgets what it could not write: the sync
    %% that follows says ok. Owners are told before they get the answer to a sync.
    Log = [{name, latest_log}, {file, mnesia_log:latest_log_file()}, {repair, false}, {notify, true}],
    {ok, latest_log} = disk_log:open(Log),
    %% Of the tables' files Mnesia is told, and tells us.
    {ok, _} = mnesia:subscribe(system),
    Counters = atomics:new(5, []),
    #{identity := Identity, version := Version} = chatcluster_tables:own(),
    ok = atomics:put(Counters, ?VERSION, Version),
    persistent_term:put(?MODULE, {Identity, Counters}),
    {ok, #state{log = list_to_integer(os:getenv("CHATCLUSTER_LOG_BYTES", integer_to_list(?LOG)))}}.

counters() ->
    element(2, persistent_term:get(?MODULE)).

handle_call(info, _From, State = #state{syncs = Syncs, dumps = Dumps, logged = Logged}) ->
    Written = atomics:get(counters(), ?WRITTEN),
    {reply, #{written => Written, syncs => Syncs, dumps => Dumps, logged => Logged}, State, 0};
handle_call(Request, From, State = #state{waiting = Waiting}) ->
    Next = State#state{waiting = [{From, Request} | Waiting]},
    case length(Next#state.waiting) >= ?ROUND of
        true -> {noreply, carry_out(Next)};
        %% As soon as nothing else has come.
        false -> {noreply, Next, 0}
    end.

handle_cast(_, State) ->
    {noreply, State, 0}.

handle_info(timeout, State) ->
    {noreply, carry_out(State)};
handle_info({'DOWN', Dump, process, _, Reason}, State = #state{dumping = Dump, dumps = Dumps}) ->
    %% Nothing is lost while the log is there, but it would grow for ever.
    Reason =:= dumped orelse exit({dump, Reason}),
    ok = chatcluster_logs:sync_names(chatcluster_tables:folder()),
    {noreply, State#state{dumping = none, dumps = Dumps + 1}, 0};
handle_info({disk_log, _, latest_log, {error_status, {error, Why}}}, _) ->
    exit({log, Why});
%% What comes behind "error reason" is text already, of which this one tells of no error.
handle_info({mnesia_system_event, {mnesia_info, "Warning Log file" ++ _, [_, Text]}}, State) ->
    lists:flatten(Text) =:= "{error_status,ok}\n" orelse exit({log, lists:flatten(Text)}),
    {noreply, State, 0};
handle_info({mnesia_system_event, {mnesia_info, "Failed syncing" ++ _, Why}}, _) ->
    exit({log, Why});
handle_info(_, State) ->
    {noreply, State, 0}.

%% Does what has gathered, syncs and answers.
carry_out(State = #state{waiting = []}) ->
    State;
carry_out(State = #state{waiting = Waiting, logged = Logged, syncs = Syncs}) ->
    Counters = counters(),
    Done = [{From, do(Counters, Request)} || {From, Request} <- lists:reverse(Waiting)],
    Answers = [{From, Answer} || {From, {Answer, _}} <- Done],
    case lists:sum([Bytes || {_, {_, Bytes}} <- Done]) of
        0 ->
            reply(Answers),
            State#state{waiting = []};
        Bytes ->
            ok = sync(State#state.dumping =/= none),
            ok = atomics:put(Counters, ?SYNCED, atomics:get(Counters, ?IN_MEMORY)),
            reply(Answers),
            dump(State#state{waiting = [], logged = Logged + Bytes, syncs = Syncs + 1})
    end.

reply(Answers) ->
    lists:foreach(fun({From, Answer}) -> gen_server:reply(From, Answer) end, Answers).

%% What to answer, and how many bytes went to the log.
do(_, {read, Scans}) ->
    {[chatcluster_reader:scan(Scan) || Scan <- Scans], 0};
do(_, synced) ->
    {ok, 0};
do(Counters, {write, To = {_, Version}, Decided, Checks, Writes}) ->
    Now = os:system_time(millisecond),
    case refusal(To) of
        none when abs(Now - Decided) > ?SKEW ->
            {{clock, Now}, 0};
        none ->
            case changed(Checks, 1, []) of
                [_ | _] = Changed -> {{changed, Changed}, 0};
                [] -> {ok, commit(Counters, rise(Version, atomics:get(Counters, ?VERSION)), Writes)}
            end;
        Refusal ->
            {Refusal, 0}
    end.

changed([], _, Changed) ->
    lists:reverse(Changed);
changed([{What, Read} | Checks], Index, Changed) ->
    Is = case What of
        Key when is_binary(Key) -> chatcluster_reader:value(Key);
        Scan -> chatcluster_reader:scan(Scan)
    end,
    case Is of
        Read -> changed(Checks, Index + 1, Changed);
        _ -> changed(Checks, Index + 1, [{Index, Is} | Changed])
    end.

rise(Highest, Highest) -> none;
rise(Version, _) -> Version.

commit(_, none, []) ->
    0;
commit(Counters, Rise, Writes) ->
    ok = atomics:add(Counters, ?BEGUN, 1),
    Meta = chatcluster_tables:meta(),
    Rows = [{Meta, version, Rise} || Rise =/= none] ++ [row(Write) || Write <- Writes],
    %% Which write this is, and up to which all were synced before: so it can be told whether one that is missing
    %% after a crash was acknowledged.
    Place = {atomics:get(Counters, ?BEGUN), atomics:get(Counters, ?SYNCED)},
    Sum = {Meta, sum, {Place, chatcluster_logs:sum([{Meta, place, Place} | Rows])}},
    {atomic, ok} = mnesia:transaction(fun() -> put_rows([Sum | Rows]) end),
    ok = atomics:add(Counters, ?IN_MEMORY, 1),
    ok = atomics:add(Counters, ?WRITTEN, length(Writes)),
    Rise =:= none orelse atomics:put(Counters, ?VERSION, Rise),
    erlang:external_size(Rows).

row({Key, Value}) -> {chatcluster_tables:name(Key), own(Key), own(Value)};
row(Key) -> {chatcluster_tables:name(Key), Key}.

put_rows(Rows) ->
    %% One lock for each table costs less than one for each row.
    [mnesia:write_lock_table(Table) || Table <- lists:usort([element(1, Row) || Row <- Rows])],
    lists:foreach(fun put_row/1, Rows).

put_row(Row = {Table, _, _}) -> mnesia:write(Table, Row, write);
put_row({Table, Key}) -> mnesia:delete(Table, Key, write).

%% Without the message that it came in, which it would keep in memory.
own(Binary) ->
    case binary:referenced_byte_size(Binary) > 2 * byte_size(Binary) of
        true -> binary:copy(Binary);
        false -> Binary
    end.

%% The log is on disk. Mnesia may have begun another one in between: then what was written may be in the one before,
%% which is renamed without a sync.
sync(Dumping) ->
    %% disk_log forgets who waits for a sync when something fails; nobody is served by a node that waits for ever.
    {ok, Late} = timer:kill_after(?PATIENCE),
    ok = disk_log:sync(latest_log),
    ok = chatcluster_logs:sync_previous(chatcluster_tables:folder(), Dumping),
    {ok, cancel} = timer:cancel(Late),
    receive
        {disk_log, _, latest_log, {error_status, {error, Why}}} -> exit({log, Why})
    after 0 ->
        ok
    end.

%% Carries the log over to the tables' files beside the writing. Mnesia syncs the files before it removes the log.
dump(State = #state{log = Log, logged = Logged, dumping = none}) when Logged > Log ->
    {_, Dump} = spawn_monitor(fun() -> exit(chatcluster_logs:dump(chatcluster_tables:folder(), fun mnesia:dump_log/0)) end),
    State#state{dumping = Dump, logged = 0};
dump(State) ->
    State.
