-module(chatcluster_digest_tests).

-include_lib("eunit/include/eunit.hrl").

-define(LIVE, <<1, 0, "xyz">>).

%% The service computes the same, and tests it by the same number.
the_sum_is_what_the_service_computes_test() ->
    ?assertEqual(
        {ok, binary:decode_hex(<<"980b220fd3f553f7392b60fcd7612ea4">>), 0, <<1, "ab">>},
        chatcluster_digest:of_rows({[{<<1, "ab">>, ?LIVE}], true}, 0)
    ).

%% 300 is two groups of seven bits.
removals_count_without_their_time_until_they_are_forgotten_test() ->
    Removed = fun(At) -> {<<8, "b">>, <<1, 1, At/binary>>} end,
    Sum = fun(Rows) -> {ok, Hash, Forgotten, none} = chatcluster_digest:of_rows({Rows, false}, 300), {Hash, Forgotten} end,
    {Old, 1} = Sum([{<<8, "a">>, ?LIVE}, Removed(<<16#ab, 2>>)]),
    {Young, 0} = Sum([{<<8, "a">>, ?LIVE}, Removed(<<16#ac, 2>>)]),
    ?assertEqual({Old, 0}, Sum([{<<8, "a">>, ?LIVE}])),
    ?assertEqual({Young, 0}, Sum([{<<8, "a">>, ?LIVE}, Removed(<<16#80, 16#80, 1>>)])),
    %% What cannot be read is not forgotten.
    ?assertEqual({Young, 0}, Sum([{<<8, "a">>, ?LIVE}, Removed(<<16#80>>)])),
    ?assertNotEqual(Old, Young).

nothing_is_something_that_can_be_compared_test() ->
    ?assertMatch({ok, <<_:16/binary>>, 0, none}, chatcluster_digest:of_rows({[], false}, 0)).
