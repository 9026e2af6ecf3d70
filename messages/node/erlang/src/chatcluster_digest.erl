%% What a range holds, told shortly, so that nodes that hold the same find out at no cost.
%%
%% This is all that a node knows of what the service writes: how a removal looks.
-module(chatcluster_digest).

-export([of_rows/2]).

%% The first bytes of the SHA-256 of all keys and values, each behind its length. A removal counts without its time,
%% which is each node's own; removals before a time do not count, and how many there are is told. And where the range
%% ended, if there may be more.
-spec of_rows(chatcluster_node:rows(), Before :: integer()) ->
    {ok, Hash :: binary(), Forgotten :: non_neg_integer(), EndedAt :: chatcluster_node:key() | none}.
of_rows({Rows, Truncated}, Before) ->
    {Parts, Forgotten} = lists:foldl(fun(Row, Counted) -> count(Row, Before, Counted) end, {[], 0}, Rows),
    <<Hash:16/binary, _/binary>> = crypto:hash(sha256, lists:reverse(Parts)),
    {ok, Hash, Forgotten, ended_at(Rows, Truncated)}.

count({Key, Value}, Before, {Parts, Forgotten}) ->
    case removed(Value) of
        no -> {[part(Value), part(Key) | Parts], Forgotten};
        At when At < Before -> {Parts, Forgotten + 1};
        _ -> {[part(<<>>), part(Key) | Parts], Forgotten}
    end.

part(Bytes) -> [<<(byte_size(Bytes)):32>>, Bytes].

%% Format 1, "removed", and when: a number in groups of seven bits, the lowest first.
removed(<<1, 1, At/binary>>) -> number(At, 0, 0);
removed(_) -> no.

number(<<1:1, Bits:7, Rest/binary>>, Shift, Sum) when Shift < 63 -> number(Rest, Shift + 7, Sum bor (Bits bsl Shift));
number(<<0:1, Bits:7>>, Shift, Sum) -> Sum bor (Bits bsl Shift);
%% It cannot be read: the last one to be forgotten.
number(_, _, _) -> 16#ffffffffffffffff.

ended_at(Rows = [_ | _], true) -> element(1, lists:last(Rows));
ended_at(_, _) -> none.
