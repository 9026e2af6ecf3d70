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

-export([start_link/0, write/3, read/1, begun/0, synced/1, refusal/1, info/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(BEGUN, 1).
-define(IN_MEMORY, 2).
-define(SYNCED, 3).
-define(VERSION, 4).
-define(WRITTEN, 5).

%% Waiting calls are taken together until there are this many, so that the first of them does not wait for ever.
-define(ROUND, 64).
%% The log is carried over to the tables' files when it has grown to this many bytes.
-define(LOG, 16 * 1024 * 1024).
%% Longer than any caller waits.
-define(PATIENCE, 60000).

-record(state, {
    waiting = [] :: [{gen_server:from(), tuple()}],
    logged = 0 :: non_neg_integer(),
    dumping = none :: none | reference(),
    dumps = 0 :: non_neg_integer(),
    syncs = 0 :: non_neg_integer()
}).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

write(To, Checks, Writes) ->
    gen_server:call(?MODULE, {write, To, Checks, Writes}, ?PATIENCE).

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
refusal({Identity, Version}) ->
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
    Counters = atomics:new(5, []),
    #{identity := Identity, version := Version} = chatcluster_tables:own(),
    ok = atomics:put(Counters, ?VERSION, Version),
    persistent_term:put(?MODULE, {Identity, Counters}),
    {ok, #state{}}.

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
    {noreply, State#state{dumping = none, dumps = Dumps + 1}, 0};
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
            ok = sync(),
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
do(Counters, {write, To = {_, Version}, Checks, Writes}) ->
    case refusal(To) of
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
    Sum = {Meta, sum, chatcluster_logs:sum(Rows)},
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

%% The log is on disk. If Mnesia has begun another one in between, what was written may be in the one before, which
%% is renamed without a sync. (The writer says when, but Mnesia does it by itself as well, after 49 days.)
sync() ->
    ok = disk_log:sync(latest_log),
    chatcluster_logs:sync_previous(chatcluster_tables:folder()).

%% Carries the log over to the tables' files beside the writing. All in it is synced now, and Mnesia syncs the
%% files before it removes the log.
dump(State = #state{logged = Logged, dumping = none}) when Logged > ?LOG ->
    {_, Dump} = spawn_monitor(fun() -> exit(mnesia:dump_log()) end),
    State#state{dumping = Dump, logged = 0};
dump(State) ->
    State.
