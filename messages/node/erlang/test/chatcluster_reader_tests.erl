-module(chatcluster_reader_tests).

-include_lib("eunit/include/eunit.hrl").

%% A page is what the same scan of a sorted list is, whatever the limits and the direction.
pages_test() ->
    Rows = [{<<1, N>>, binary:copy(<<N>>, N rem 4)} || N <- lists:seq(10, 60, 2)],
    %% As Mnesia makes it: the key is the second element.
    archive = ets:new(archive, [named_table, ordered_set, {keypos, 2}]),
    [ets:insert(archive, {archive, Key, Value}) || {Key, Value} <- Rows],
    Ends = [<<1>>, <<1, 9>>, <<1, 10>>, <<1, 11>>, <<1, 20>>, <<1, 20, 0>>, <<1, 60>>, <<1, 61>>, <<2>>],
    Scans = [
        {From, To, Reverse, Limit, Bytes}
     || From <- Ends, To <- Ends, Reverse <- [false, true], Limit <- [0, 1, 3, 100], Bytes <- [0, 1, 7, 1000]
    ],
    [?assertEqual({Scan, model(Rows, Scan)}, {Scan, chatcluster_reader:scan(Scan)}) || Scan <- Scans],
    ?assert(length(Scans) > 2000),
    ets:delete(archive).

model(Rows, {From, To, Reverse, Limit, Bytes}) ->
    Inside = [Row || Row = {Key, _} <- Rows, Key >= From, Key < To],
    take(case Reverse of true -> lists:reverse(Inside); false -> Inside end, Limit, Bytes, []).

take([], _, _, Page) -> {lists:reverse(Page), false};
take(_, Limit, Bytes, Page) when Limit =< 0; Bytes =< 0 -> {lists:reverse(Page), true};
take([Row = {_, Value} | Rows], Limit, Bytes, Page) ->
    take(Rows, Limit - 1, Bytes - byte_size(Value), [Row | Page]).

a_key_of_no_table_is_an_error_test() ->
    ?assertError({no_table, <<0, 1>>}, chatcluster_reader:value(<<0, 1>>)),
    ?assertError({no_table, <<200>>}, chatcluster_reader:value(<<200>>)).
