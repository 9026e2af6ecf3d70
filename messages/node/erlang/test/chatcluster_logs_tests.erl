%% What is found in a folder after what machines do to files.
-module(chatcluster_logs_tests).

-include_lib("eunit/include/eunit.hrl").

files_test_() ->
    Tests = [
        fun an_empty_folder_is_blank/1,
        fun what_a_broken_off_creation_left_is_blank/1,
        fun tables_without_a_schema_are_not_taken_for_blank/1,
        fun a_record_without_its_head_is_damage/1,
        fun a_hole_in_what_was_not_synced_is_cut_off/1,
        fun a_write_that_is_missing_without_a_trace_is_damage/1,
        fun both_logs_are_one/1,
        fun damage_is_told_again_at_the_next_start/1,
        fun a_torn_end_is_cut_off/1,
        fun an_end_with_a_hole_is_cut_off/1,
        fun a_hole_before_a_record_is_damage/1,
        fun a_changed_record_before_another_is_damage/1,
        fun a_log_that_was_just_made_is_nothing/1,
        fun a_torn_table_is_damage/1,
        fun a_table_that_was_being_added_to_is_whole/1,
        fun a_table_that_nothing_was_added_to_may_not_be_torn/1,
        fun decisions_are_removed/1,
        fun a_torn_schema_is_as_it_was/1
    ],
    {foreach, fun folder/0, fun file:del_dir_r/1, [fun(Dir) -> {name(Test), fun() -> Test(Dir) end} end || Test <- Tests]}.

name(Test) ->
    {name, Name} = erlang:fun_info(Test, name),
    atom_to_list(Name).

folder() ->
    Name = "logs-" ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive])),
    Dir = filename:join([os:getenv("TMPDIR", "/tmp"), Name]),
    ok = filelib:ensure_path(Dir),
    Dir.

%% A log as Mnesia writes it, of writes with one value each, of which all before were synced. Not closed, as after a
%% crash.
log(Dir, File, Values) ->
    Places = [{Number, Number - 1} || Number <- lists:seq(1, length(Values))],
    log(Dir, File, Places, Values).

log(Dir, File, Places, Values) ->
    ok = file:write_file(filename:join(Dir, "OPENED"), <<>>),
    {ok, schema} = dets:open_file(schema, [{file, filename:join(Dir, "schema.DAT")}, {keypos, 2}]),
    ok = dets:close(schema),
    Path = filename:join(Dir, File),
    {ok, Log} = disk_log:open([{name, test}, {file, Path}]),
    Commits = lists:zipwith(fun commit/2, Places, Values),
    ok = disk_log:log_terms(Log, [{log_header, trans_log} | Commits]),
    ok = disk_log:sync(Log),
    {ok, Written} = file:read_file(Path),
    ok = disk_log:close(Log),
    ok = file:write_file(Path, Written),
    Path.

commit(Place, Value) ->
    Row = {archive, <<1, "key">>, Value},
    Meta = chatcluster_tables:meta(),
    Sum = {Place, chatcluster_logs:sum([{Meta, place, Place}, Row])},
    Changes = [{{archive, <<1, "key">>}, Row, write}, {{Meta, sum}, {Meta, sum, Sum}, write}],
    {commit, node(), presume_commit, [], Changes, [], [], []}.

values(Path) ->
    {ok, Log} = disk_log:open([{name, test}, {file, Path}, {repair, false}]),
    {_, [_ | Commits]} = disk_log:chunk(Log, start),
    ok = disk_log:close(Log),
    [Value || {commit, _, _, _, [{_, {archive, _, Value}, write}, _], _, _, _} <- Commits].

%% Overwrites a part of a file where something is.
overwrite(Path, Where, With) ->
    {ok, Bytes} = file:read_file(Path),
    {At, Length} = binary:match(Bytes, Where),
    <<Before:At/binary, _:Length/binary, Behind/binary>> = Bytes,
    ok = file:write_file(Path, [Before, With, Behind]).

cut(Path, Bytes) ->
    {ok, File} = file:open(Path, [read, write, raw]),
    {ok, _} = file:position(File, filelib:file_size(Path) - Bytes),
    ok = file:truncate(File),
    ok = file:close(File).

an_empty_folder_is_blank(Dir) ->
    ?assertEqual(blank, chatcluster_logs:check(Dir)),
    ?assertEqual(blank, chatcluster_logs:check(filename:join(Dir, "new/below"))).

what_a_broken_off_creation_left_is_blank(Dir) ->
    Left = filename:join(Dir, "FALLBACK.BUP"),
    ok = file:write_file(Left, <<"half">>),
    ?assertEqual(blank, chatcluster_logs:check(Dir)),
    ?assertNot(filelib:is_file(Left)).

tables_without_a_schema_are_not_taken_for_blank(Dir) ->
    log(Dir, "archive.DCD", [<<"one">>]),
    ok = file:delete(filename:join(Dir, "schema.DAT")),
    ?assertThrow({unusable, _}, chatcluster_logs:check(Dir)).

%% The heads of records are read, too, not only what is in them.
a_record_without_its_head_is_damage(Dir) ->
    Log = log(Dir, "LATEST.LOG", [<<"one">>, <<"two">>, <<"three">>]),
    {ok, Bytes} = file:read_file(Log),
    [_, {At, 4} | _] = binary:matches(Bytes, <<98, 87, 76, 65>>),
    <<Before:(At - 4)/binary, _:64, Behind/binary>> = Bytes,
    ok = file:write_file(Log, [Before, <<0:64>>, Behind]),
    ?assertEqual({damaged, ["LATEST.LOG"]}, chatcluster_logs:check(Dir)).

%% Three writes of one round, synced together: what is missing of them was acknowledged to nobody.
a_hole_in_what_was_not_synced_is_cut_off(Dir) ->
    Values = [<<"one">>, binary:copy(<<"two">>, 3000), <<"three">>],
    Log = log(Dir, "LATEST.LOG", [{1, 0}, {2, 1}, {3, 1}], Values),
    overwrite(Log, binary:copy(<<"two">>, 1000), binary:copy(<<0>>, 3000)),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertEqual([<<"one">>], values(Log)).

a_write_that_is_missing_without_a_trace_is_damage(Dir) ->
    log(Dir, "LATEST.LOG", [{1, 0}, {3, 2}], [<<"one">>, <<"three">>]),
    ?assertEqual({damaged, ["LATEST.LOG"]}, chatcluster_logs:check(Dir)).

%% The log before was not synced when it was renamed, and the other one came to the disk first.
both_logs_are_one(Dir) ->
    Previous = log(Dir, "PREVIOUS.LOG", [{5, 4}, {6, 4}], [<<"five">>, <<"six">>]),
    log(Dir, "LATEST.LOG", [{7, 4}], [<<"seven">>]),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertEqual([<<"five">>, <<"six">>], values(Previous)),
    cut(Previous, 5),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertEqual([<<"five">>], values(Previous)),
    ?assertNot(filelib:is_file(filename:join(Dir, "LATEST.LOG"))),
    log(Dir, "LATEST.LOG", [{7, 6}], [<<"seven">>]),
    ?assertEqual({damaged, ["LATEST.LOG", "PREVIOUS.LOG"]}, chatcluster_logs:check(Dir)).

damage_is_told_again_at_the_next_start(Dir) ->
    log(Dir, "LATEST.LOG", [{1, 0}, {3, 2}], [<<"one">>, <<"three">>]),
    [?assertEqual({damaged, ["LATEST.LOG"]}, chatcluster_logs:check(Dir)) || _ <- [1, 2, 3]].

a_torn_end_is_cut_off(Dir) ->
    Log = log(Dir, "LATEST.LOG", [<<"one">>, <<"two">>, binary:copy(<<"3">>, 9000)]),
    cut(Log, 4000),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertEqual([<<"one">>, <<"two">>], values(Log)).

%% The length and what is behind came to the disk, and a page in between did not. The term can be read.
an_end_with_a_hole_is_cut_off(Dir) ->
    Log = log(Dir, "LATEST.LOG", [<<"one">>, binary:copy(<<"two">>, 3000)]),
    overwrite(Log, binary:copy(<<"two">>, 1000), binary:copy(<<0>>, 3000)),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertEqual([<<"one">>], values(Log)).

a_hole_before_a_record_is_damage(Dir) ->
    Log = log(Dir, "LATEST.LOG", [<<"one">>, binary:copy(<<"two">>, 3000), <<"three">>]),
    overwrite(Log, binary:copy(<<"two">>, 1000), binary:copy(<<0>>, 3000)),
    ?assertEqual({damaged, ["LATEST.LOG"]}, chatcluster_logs:check(Dir)),
    ?assert(filelib:is_file(Log ++ ".damaged")).

a_changed_record_before_another_is_damage(Dir) ->
    [
        begin
            Log = log(Dir, "LATEST.LOG", [<<"first value">>, <<"second value">>]),
            overwrite(Log, Was, Is),
            _ = file:delete(Log ++ ".damaged"),
            ?assertEqual({damaged, ["LATEST.LOG"]}, chatcluster_logs:check(Dir))
        end
     || {Was, Is} <- [{<<"first">>, <<"worst">>}, {<<"key">>, <<"kex">>}]
    ].

a_log_that_was_just_made_is_nothing(Dir) ->
    Log = log(Dir, "LATEST.LOG", []),
    ok = file:write_file(Log, <<1, 2, 3>>),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertNot(filelib:is_file(Log)).

a_torn_table_is_damage(Dir) ->
    Table = log(Dir, "archive.DCD", [<<"one">>, <<"two">>]),
    cut(Table, 5),
    ?assertEqual({damaged, ["archive.DCD"]}, chatcluster_logs:check(Dir)).

%% What the dumper was adding is in a log; pages of it reach the disk in any order.
a_table_that_was_being_added_to_is_whole(Dir) ->
    Table = log(Dir, "archive.DCL", [<<"one">>, <<"two">>]),
    Other = filename:join(Dir, "index.DCL"),
    Dying = fun() ->
        ok = file:delete(Table),
        log(Dir, "archive.DCL", [<<"one">>, <<"two">>, <<"three">>, <<"four">>]),
        log(Dir, "index.DCL", [<<"three">>, <<"four">>]),
        [overwrite(File, <<"three">>, <<0:40>>) || File <- [Table, Other]],
        exit(killed)
    end,
    ?assertExit(killed, chatcluster_logs:dump(Dir, Dying)),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertEqual([<<"one">>, <<"two">>], values(Table)),
    ?assertEqual([], values(Other)),
    %% What was there before is in no log any more.
    overwrite(Table, <<"two">>, <<0:24>>),
    ?assertEqual({damaged, ["archive.DCL"]}, chatcluster_logs:check(Dir)).

a_table_that_nothing_was_added_to_may_not_be_torn(Dir) ->
    Table = log(Dir, "archive.DCL", [<<"one">>, <<"two">>]),
    ?assertEqual(done, chatcluster_logs:dump(Dir, fun() -> done end)),
    cut(Table, 5),
    ?assertEqual({damaged, ["archive.DCL"]}, chatcluster_logs:check(Dir)).

%% Mnesia does not start over a torn one, and here are no transactions between nodes.
decisions_are_removed(Dir) ->
    Log = log(Dir, "DECISION_TAB.LOG", [<<"one">>]),
    cut(Log, 5),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    ?assertNot(filelib:is_file(Log)).

a_torn_schema_is_as_it_was(Dir) ->
    log(Dir, "LATEST.LOG", [<<"one">>]),
    Schema = filename:join(Dir, "schema.DAT"),
    {ok, schema} = dets:open_file(schema, [{file, Schema}, {keypos, 2}]),
    ok = dets:insert(schema, {schema, archive, []}),
    ok = dets:close(schema),
    ok = chatcluster_logs:opened(Dir),
    ok = file:write_file(Schema, <<0:4096/unit:8>>),
    ?assertEqual(whole, chatcluster_logs:check(Dir)),
    {ok, schema} = dets:open_file(schema, [{file, Schema}, {keypos, 2}]),
    ?assertEqual([{schema, archive, []}], dets:lookup(schema, archive)),
    ok = dets:close(schema).
