%% A whole node, in this Erlang, on a folder of its own.
-module(chatcluster_node_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, <<1, "a">>).
-define(B, <<8, "b">>).
-define(ALL, {<<1>>, <<2>>, false, 10000, 1000000}).

node_test_() ->
    Tests = [
        fun writes_if_all_is_as_it_was_read/1,
        fun what_was_written_is_there_after_a_restart/1,
        fun a_range_that_has_changed_is_refused/1,
        fun a_write_that_was_decided_by_another_clock_is_refused/1,
        fun an_older_version_is_refused_for_good/1,
        fun who_means_another_node_is_refused/1,
        fun what_is_wrong_with_a_call_is_told_and_harms_nobody/1,
        fun a_read_sees_all_of_a_write_or_nothing/1,
        fun the_log_is_carried_over_and_nothing_is_lost/1,
        fun a_folder_among_the_files_is_left_alone/1,
        fun who_was_damaged_is_another_node/1,
        fun a_first_start_that_broke_off_begins_anew/1,
        fun values_do_not_keep_the_messages_that_they_came_in/1
    ],
    {foreach, fun start/0, fun stop/1, [fun(Dir) -> {timeout, 60, {name(Test), fun() -> Test(Dir) end}} end || Test <- Tests]}.

name(Test) ->
    {name, Name} = erlang:fun_info(Test, name),
    atom_to_list(Name).

start() ->
    Dir = folder(),
    start(Dir),
    Dir.

start(Dir) ->
    application:load(mnesia),
    application:set_env(mnesia, dir, Dir),
    ok = chatcluster_tables:open(chatcluster_logs:check(Dir)),
    {ok, _} = chatcluster_writer:start_link().

stop(Dir) ->
    halt_writer(),
    ok = file:del_dir_r(Dir).

halt_writer() ->
    gen_server:stop(chatcluster_writer),
    stopped = mnesia:stop().

restart(Dir) ->
    halt_writer(),
    start(Dir).

folder() ->
    Name = "node-" ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive])),
    filename:join([os:getenv("TMPDIR", "/tmp"), Name]).

write(Checks, Writes) ->
    chatcluster_node:write(to(0), os:system_time(millisecond), Checks, Writes).

to(Version) ->
    #{identity := Identity} = chatcluster_node:describe(),
    {Identity, Version}.

value(Key) ->
    {ok, [Rows]} = chatcluster_node:read(to(0), [{Key, <<Key/binary, 0>>, false, 1, 1}]),
    case Rows of
        {[{Key, Value}], false} -> Value;
        {[], false} -> absent
    end.

writes_if_all_is_as_it_was_read(_) ->
    ok = write([{?A, absent}], [{?A, <<"1">>}, {?B, <<"2">>}]),
    ?assertMatch({changed, [{1, <<"1">>}, {3, <<"2">>}]},
        write([{?A, absent}, {<<1, "c">>, absent}, {?B, <<"3">>}], [{?A, <<"lost">>}, ?B])),
    ?assertEqual({<<"1">>, <<"2">>}, {value(?A), value(?B)}),
    ok = write([{?A, <<"1">>}], [?B, {?A, <<"3">>}, <<1, "never there">>]),
    ?assertEqual({<<"3">>, absent}, {value(?A), value(?B)}).

what_was_written_is_there_after_a_restart(Dir) ->
    #{identity := Identity} = chatcluster_node:describe(),
    ok = write([], [{?A, <<"1">>}, {?B, <<"2">>}]),
    ok = write([], [?B]),
    restart(Dir),
    ?assertEqual({<<"1">>, absent}, {value(?A), value(?B)}),
    ?assertMatch(#{identity := Identity, whole := true, schema := 1}, chatcluster_node:describe()).

a_range_that_has_changed_is_refused(_) ->
    ok = write([{?ALL, {[], false}}], [{?A, <<"1">>}]),
    ?assertMatch({changed, [{1, {[{?A, <<"1">>}], false}}]}, write([{?ALL, {[], false}}], [{?B, <<"2">>}])),
    ?assertEqual(ok, write([{?ALL, {[{?A, <<"1">>}], false}}], [])).

a_write_that_was_decided_by_another_clock_is_refused(_) ->
    Now = os:system_time(millisecond),
    [?assertMatch({clock, _}, chatcluster_node:write(to(0), Now + By, [], [{?A, <<"1">>}])) || By <- [-60000, 60000]],
    ?assertEqual(absent, value(?A)).

an_older_version_is_refused_for_good(Dir) ->
    Now = os:system_time(millisecond),
    ok = chatcluster_node:write(to(7), Now, [], []),
    ?assertEqual({stale, 7}, chatcluster_node:write(to(6), Now, [], [{?A, <<"1">>}])),
    restart(Dir),
    ?assertEqual({stale, 7}, chatcluster_node:read(to(6), [])),
    ?assertMatch({ok, []}, chatcluster_node:read(to(7), [])),
    %% What is refused for another reason tells of no version.
    ok = chatcluster_node:write(to(7), Now, [], [{?A, <<"1">>}]),
    {changed, [_]} = chatcluster_node:write(to(8), Now, [{?A, absent}], []),
    ?assertMatch({ok, []}, chatcluster_node:read(to(7), [])).

who_means_another_node_is_refused(_) ->
    {Identity, 0} = to(0),
    Other = {<<"the one before its disk was emptied">>, 0},
    ?assertEqual({other, Identity}, chatcluster_node:read(Other, [])),
    ?assertEqual({other, Identity}, chatcluster_node:write(Other, os:system_time(millisecond), [], [{?A, <<"1">>}])),
    ?assertEqual(absent, value(?A)).

what_is_wrong_with_a_call_is_told_and_harms_nobody(_) ->
    Unknown = <<19, "a table of a newer service">>,
    Scan = {Unknown, <<20>>, false, 1, 1},
    [
        ?assertError({no_table, Unknown}, Call())
     || Call <- [
            fun() -> write([], [{Unknown, <<"1">>}]) end,
            fun() -> write([], [Unknown]) end,
            fun() -> write([{Unknown, absent}], []) end,
            fun() -> write([{Scan, {[], false}}], []) end,
            fun() -> chatcluster_node:read(to(0), [Scan]) end
        ]
    ],
    [
        ?assertError(_, Call())
     || Call <- [
            fun() -> write([foo], []) end,
            fun() -> write([], [{?A, 5}]) end,
            fun() -> write([], [?ALL]) end,
            fun() -> write([], [{?A, <<"1">>}, {?A, <<"2">>}]) end,
            fun() -> chatcluster_node:read(to(0), [{<<1>>, <<2>>, up, 1, 1}]) end,
            fun() -> chatcluster_node:write(to(1 bsl 70), os:system_time(millisecond), [], []) end
        ]
    ],
    ?assertEqual(ok, write([], [{?A, <<"1">>}])).

a_read_sees_all_of_a_write_or_nothing(_) ->
    %% So many that reading and writing them take milliseconds, and come across each other.
    Keys = [<<1, N:16>> || N <- lists:seq(1, 2000)],
    Write = fun(N) -> ok = write([], [{Key, <<N:32>>} || Key <- Keys]) end,
    Write(0),
    Writer = spawn_link(fun() -> lists:foreach(Write, lists:seq(1, 60)) end),
    Read = fun Read(Reads) ->
        %% Several times in one call, since a single page is read faster than a write comes to change the map.
        {ok, Pages} = chatcluster_node:read(to(0), lists:duplicate(12, ?ALL)),
        ?assertEqual([2000 || _ <- Pages], [length(Rows) || {Rows, false} <- Pages]),
        ?assertMatch([_], lists:usort([Value || {Rows, false} <- Pages, {_, Value} <- Rows])),
        case is_process_alive(Writer) of
            true -> Read(Reads + 1);
            false -> exit({reads, Reads})
        end
    end,
    %% Several, since one alone waits for the sync of what it has seen, and begins when nothing changes.
    Readers = [spawn_monitor(fun() -> Read(1) end) || _ <- lists:seq(1, 3)],
    [
        receive
            {'DOWN', Monitor, process, Reader, Reason} -> ?assertMatch({reads, Reads} when Reads > 1, Reason)
        end
     || {Reader, Monitor} <- Readers
    ].

the_log_is_carried_over_and_nothing_is_lost(Dir) ->
    Value = binary:copy(<<"x">>, 60000),
    Keys = [<<1, N:16>> || N <- lists:seq(1, 300)],
    [ok = write([], [{Key, <<Key/binary, Value/binary>>}]) || Key <- Keys],
    ?assertMatch(#{writer := #{syncs := 300, written := 300}}, chatcluster_node:info()),
    dumped(300),
    restart(Dir),
    [?assertEqual(<<Key/binary, Value/binary>>, value(Key)) || Key <- Keys],
    ?assertMatch(#{records := #{archive := 300}}, chatcluster_node:info()).

a_folder_among_the_files_is_left_alone(Dir) ->
    ok = file:make_dir(filename:join(Dir, "lost+found")),
    restart(Dir),
    ?assertMatch(#{whole := true}, chatcluster_node:describe()).

who_was_damaged_is_another_node(Dir) ->
    #{identity := Identity} = chatcluster_node:describe(),
    halt_writer(),
    ok = file:write_file(filename:join(Dir, "archive.DCD.damaged"), <<"a start before has found it">>),
    start(Dir),
    #{identity := Other, whole := Whole} = chatcluster_node:describe(),
    ?assertNot(Whole),
    ?assertNotEqual(Identity, Other).

a_first_start_that_broke_off_begins_anew(Dir) ->
    halt_writer(),
    ok = file:delete(filename:join(Dir, "OPENED")),
    ok = file:write_file(filename:join(Dir, "archive.DCD"), <<>>),
    ?assertEqual(blank, chatcluster_logs:check(Dir)),
    start(Dir),
    ?assertEqual(ok, write([], [{?A, <<"1">>}])).

dumped(0) ->
    ?assert(false);
dumped(Attempts) ->
    case chatcluster_node:info() of
        #{writer := #{dumps := Dumps}} when Dumps >= 1 -> ok;
        _ -> timer:sleep(100), dumped(Attempts - 1)
    end.

values_do_not_keep_the_messages_that_they_came_in(_) ->
    Message = binary:copy(<<"m">>, 1000000),
    ok = write([], [{?A, binary:part(Message, 0, 100)}]),
    ?assertEqual(100, binary:referenced_byte_size(value(?A))).
