//! Which fields there are beside an unknown one.

use serde::{
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess,
        SeqAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

/// The fields of the mapping that `path` is in, as far as `T` tells.
pub(crate) fn fields_beside<T: DeserializeOwned>(path: &[&str]) -> &'static [&'static str] {
    let mut fields: &[&str] = &[];
    let _ = T::deserialize(Walk { path, fields: &mut fields });
    fields
}

/// Nothing but a path: a type that is read from it asks for one field after the other, and tells at the
/// last step which fields it has.
struct Walk<'a> {
    path: &'a [&'a str],
    fields: &'a mut &'static [&'static str],
}

type Stop = de::value::Error;

fn stop<T>() -> Result<T, Stop> {
    Err(de::Error::custom("the path ends here"))
}

impl<'de> Deserializer<'de> for Walk<'_> {
    type Error = Stop;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if self.path.len() == 1 {
            *self.fields = fields;
            return stop();
        }
        visitor.visit_map(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_map(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_seq(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        stop()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Walk<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        let Some(key) = self.path.first() else { return stop() };
        let key: StrDeserializer<'_, Stop> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(self.next())
    }
}

impl<'de> SeqAccess<'de> for Walk<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        seed.deserialize(self.next()).map(Some)
    }
}

impl Walk<'_> {
    fn next(&mut self) -> Walk<'_> {
        Walk { path: self.path.get(1..).unwrap_or_default(), fields: self.fields }
    }
}
